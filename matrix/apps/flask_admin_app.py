"""Flask-Admin: its index, a view of its own, its file manager and its static files."""

from flask import Flask
from flask_admin import Admin, BaseView, expose
from flask_admin.contrib.fileadmin import FileAdmin

from values import FILES


class Report(BaseView):
    @expose("/", methods=("GET", "POST"))
    def index(self):
        return "report\n"


app = Flask("matrix")
app.secret_key = "for the matrix"
admin = Admin(app, name="matrix")
admin.add_view(Report(name="Report", endpoint="report"))
admin.add_view(FileAdmin(str(FILES), name="Files", endpoint="manager"))
