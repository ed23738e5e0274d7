"""What both applications know. They share the process, so it is there once, and both see every change."""

from dataclasses import asdict, dataclass


@dataclass
class Book:
    number: int
    title: str
    author: str

    def as_dict(self):
        return asdict(self)


@dataclass
class Order:
    book: int


BOOKS = {
    1: Book(1, "The Left Hand of Darkness", "Le Guin"),
    2: Book(2, "Solaris", "Lem"),
    3: Book(3, "The Dispossessed", "Le Guin"),
}
ORDERS: list[Order] = []
