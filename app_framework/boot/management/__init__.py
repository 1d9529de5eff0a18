"""What an operator asks a running application: is it well, what does it count, what does it log, how did it start.

The names are on the menu of `app_framework.boot`; the HTTP shapes are in `app_framework.boot.actuator`.
"""
