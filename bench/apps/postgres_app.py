"""One query for each request: a row from PostgreSQL, which the PG* variables of the environment name."""

from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(min_size=8, max_size=8) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/row")
async def row():
    return dict(await app.state.pool.fetchrow("SELECT $1::int AS id, 'row ' || $1::int AS name", 7))
