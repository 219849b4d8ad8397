"""PostgreSQL by SQLAlchemy's asyncio engine, over asyncpg: an engine that requests share, and sessions."""

import contextlib
import os

from sqlalchemy import String, func, select, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kit import respond_json
from services.served import served

URL = os.environ["POSTGRES_URL"].replace("postgresql:", "postgresql+asyncpg:")


class Base(DeclarativeBase):
    pass


class Row(Base):
    """The table that the test has made."""

    __tablename__ = os.environ["POSTGRES_TABLE"]
    number: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String)


@contextlib.asynccontextmanager
async def opened():
    engine = create_async_engine(URL, pool_size=3, max_overflow=0, pool_timeout=60)
    try:
        yield {"session": async_sessionmaker(engine, expire_on_commit=False), "engine": engine}
    finally:
        await engine.dispose()


async def queries(scope, receive, send, count):
    async with scope["state"]["engine"].connect() as connection:
        found = []
        for number in range(int(count)):
            result = await connection.execute(text("SELECT CAST(:number AS int) * 2"), {"number": number})
            found.append(result.scalar_one())
    await respond_json(send, {"sum": sum(found), "count": len(found)})


async def insert(scope, receive, send, number):
    """A session of the mapped class: written, committed, read again."""
    async with scope["state"]["session"]() as session:
        session.add(Row(number=int(number), text=f"row {number}"))
        await session.commit()
    async with scope["state"]["session"]() as session:
        row = await session.get(Row, int(number))
        twice = await session.scalar(select(func.sum(Row.number) * 2).where(Row.number == int(number)))
        await respond_json(send, [row.number, row.text, twice])


async def stream(scope, receive, send):
    """Rows from a server-side cursor."""
    async with scope["state"]["engine"].connect() as connection:
        rows = await connection.stream(text("SELECT n FROM generate_series(1, 2000) AS n"))
        found = [row.n async for row in rows]
    await respond_json(send, [len(found), sum(found)])


def create():
    return served({"queries": queries, "insert": insert, "stream": stream}, opened)
