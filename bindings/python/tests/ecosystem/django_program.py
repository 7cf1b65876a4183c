"""A Django program in one file, for `python -m greenrt.wsgi`: an ORM on SQLite, or on the PostgreSQL of DJANGO_PORT."""

from __future__ import annotations

import os
import time
from typing import Any

import django
from django.conf import settings

PORT = os.environ.get("DJANGO_PORT")
if PORT:
    DATABASE = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "test",
        "HOST": "127.0.0.1",
        "PORT": PORT,
    }
else:
    DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": "here.sqlite3", "OPTIONS": {"timeout": 60}}
settings.configure(
    SECRET_KEY="a secret for tests",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": DATABASE},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.common.CommonMiddleware"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402
from django.db.models import F, Sum  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


class Account(models.Model):
    name = models.CharField(max_length=50, unique=True)
    money = models.IntegerField(default=0)

    class Meta:
        app_label = "django_program"


class Entry(models.Model):
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="entries")
    amount = models.IntegerField()

    class Meta:
        app_label = "django_program"


def make(request: HttpRequest) -> HttpResponse:
    account = Account.objects.create(name=request.POST["name"])
    return JsonResponse({"id": account.pk})


def deposit(request: HttpRequest, name: str) -> HttpResponse:
    with transaction.atomic():
        account = Account.objects.select_for_update().get(name=name) if PORT else Account.objects.get(name=name)
        Entry.objects.create(account=account, amount=1)
        Account.objects.filter(pk=account.pk).update(money=F("money") + 1)
    return JsonResponse({})


def show(request: HttpRequest, name: str) -> HttpResponse:
    account = Account.objects.prefetch_related("entries").get(name=name)
    total = account.entries.aggregate(total=Sum("amount"))["total"]
    return JsonResponse({"money": account.money, "entries": account.entries.count(), "total": total})


def roll_back(request: HttpRequest, name: str) -> HttpResponse:
    with transaction.atomic():
        Account.objects.filter(name=name).update(money=-1)
        raise LookupError("rolled back on purpose")


inside = peak = 0


def slow(request: HttpRequest) -> HttpResponse:
    global inside, peak
    inside += 1
    peak = max(peak, inside)
    for _ in range(1200):  # until so many wait at a time
        if PORT:
            with connection.cursor() as cursor:
                cursor.execute("select pg_sleep(0.05)")
        else:
            time.sleep(0.05)
        if peak > 3:
            break
    inside -= 1
    return JsonResponse({"peak": peak})


def visits(request: HttpRequest) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"], "secure": request.is_secure()})


def names(request: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse(
        f"{name}\n" for name in Account.objects.order_by("name").values_list("name", flat=True)
    )


def upload(request: HttpRequest) -> HttpResponse:
    file: Any = request.FILES["file"]
    return JsonResponse({"name": file.name, "size": sum(map(len, file.chunks()))})


urlpatterns = [
    path("make", make),
    path("deposit/<name>", deposit),
    path("show/<name>", show),
    path("roll_back/<name>", roll_back),
    path("slow", slow),
    path("visits", visits),
    path("names", names),
    path("upload", upload),
]


def prepare() -> None:
    """The tables, before a server starts."""
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Account)
        editor.create_model(Entry)


if __name__ == "__main__":
    prepare()
else:
    application = get_wsgi_application()
