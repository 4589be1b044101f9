# A Magnum database, made and migrated by Debian's own Magnum, for the test of the import. No service of Magnum runs.
make_magnum_database() {
  cat >"$ETC/magnum.conf" <<X
[database]
$(database magnum)
[certificates]
cert_manager_type = x509keypair
X
  once magnum-database mariadb -S "$LAB/mysql/mysql.sock" -e "CREATE DATABASE IF NOT EXISTS magnum"
  once magnum magnum-db-manage --config-file "$ETC/magnum.conf" upgrade
}
