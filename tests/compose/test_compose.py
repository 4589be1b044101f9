def test_x(stack):
    print(stack.compose("config", "--quiet"))
    print(stack.engine.docker("images"))
    import subprocess
    print(subprocess.run(["docker", "compose", "-f", "deploy/docker-compose.yml","up","-d","--wait"],env=stack.environment(),capture_output=True,text=True))
    print(stack.compose("ps","-a"))
    print(stack.compose("logs","--no-color")[-6000:])
    print(stack.run("docker","run","--rm","--entrypoint","/bin/sh","jeroboam:local","-c","id; du -sm /opt/jeroboam; du -sm /opt/jeroboam/lib/python*/site-packages/* | sort -rn | head -12"))
