"""The example: a small shop whose log lines travel through a topic into a database."""

import pymysql

# Django asks for mysqlclient by name; PyMySQL does the same in plain Python and needs no compiler.
pymysql.install_as_MySQLdb()
