"""One page: it places an order and logs that it did."""

import logging

from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.urls import path

log = logging.getLogger("shop.orders")


def place_order(request: HttpRequest, number: int) -> HttpResponse:
    """Every seventh order fails, so that the log has levels and a traceback to carry."""
    try:
        if number % 7 == 0:
            raise ValueError(f"order {number} has no items")
    except ValueError:
        log.exception("order %d refused", number)
        return HttpResponseServerError("refused\n")
    log.info("order %d placed", number)
    return HttpResponse("placed\n")


urlpatterns = [path("orders/<int:number>", place_order)]
