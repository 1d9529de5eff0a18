"""Configuration: files, variables and arguments become one environment, every value with the place it was written.

    environment = Environment.load(directory=Path.cwd(), environ=os.environ, arguments=["--server.port=0"])
    environment.claim([ServerProperties])
    environment.check()
    environment.bind(ServerProperties).port

The names are on the menu of `app_framework.boot`.
"""
