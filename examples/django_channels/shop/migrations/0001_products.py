"""The table, and something to sell."""

from django.db import migrations, models


def fill(apps, schema_editor):
    product = apps.get_model("shop", "Product")
    for name, stock in [("Lamp", 3), ("Chair", 12)]:
        product.objects.create(name=name, stock=stock)


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Product",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("stock", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
