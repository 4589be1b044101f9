#!/bin/sh
# Placeholder replaced by the real agent below.
