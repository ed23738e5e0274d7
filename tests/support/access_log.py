"""The default line of the access log, taken apart."""

import re

LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<client>\S+) "
    r'"(?P<request>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+) (?P<duration>\d+\.\d{3})ms (?P<app>\S+)\n'
)
