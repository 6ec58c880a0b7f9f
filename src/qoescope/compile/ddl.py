"""The catalog's tables as Postgres DDL, with daily partitions, row-level security and restricted roles."""

from qoescope.catalog.schema import Field, Table, Type

SCHEMA = "qoescope"
OWNER, WRITER, READER = "qoescope_owner", "qoescope_writer", "qoescope_reader"

TYPES: dict[Type, str] = {
    "text": "text",
    "int": "bigint",
    "float": "double precision",
    "bool": "boolean",
    "instant": "timestamptz",
    "day": "date",
    "score": "numeric(5, 2)",
    "score_sum": "numeric(18, 2)",
    "ints": "integer[]",
    "sketch": "integer[]",
    "bytes": "bytea",
    "json": "jsonb",
}

FUNCTIONS = f"""
create or replace function {SCHEMA}.added(a integer[], b integer[]) returns integer[]
  language sql immutable parallel safe as
  $$ select array(select coalesce(x, 0) + coalesce(y, 0) from unnest(a, b) with ordinality as u(x, y, i) order by i) $$;
create or replace function {SCHEMA}.merged(a integer[], b integer[]) returns integer[]
  language sql immutable parallel safe as
  $$ select array(select distinct on (r >> 6) r from unnest(a || b) as r order by r >> 6, r desc) $$;
create or replace function {SCHEMA}.make_partition(parent text, day date) returns void
  language plpgsql security definer set search_path = {SCHEMA}, pg_temp as $$
declare part text := parent || to_char(day, '"_"YYYYMMDD');
begin
  if to_regclass('{SCHEMA}.' || quote_ident(part)) is null then
    perform pg_advisory_xact_lock(hashtext(part));
    if not exists (select from pg_class where relname = part and relnamespace = '{SCHEMA}'::regnamespace) then
      execute format('create table {SCHEMA}.%I (like {SCHEMA}.%I)', part, parent);
      execute format('alter table {SCHEMA}.%I attach partition {SCHEMA}.%I for values from (%L) to (%L)',
        parent, part, day, day + 1);
    end if;
  end if;
end $$;
revoke all on function {SCHEMA}.make_partition from public;
grant execute on function {SCHEMA}.make_partition to {WRITER};
"""
"""How histograms add, how sketches merge, and how a role without the right to create tables adds a partition.
Attaching a partition does not lock the table for others; `create … partition of` would until the transaction ends."""


def column(f: Field) -> str:
    """One column's definition."""
    return f"{quote(f.name)} {TYPES[f.type]}" + ("" if f.nullable else " not null")


def quote(name: str) -> str:
    """The name as a quoted identifier."""
    return f'"{name}"'


def create(table: Table) -> str:
    """The table, its partitioning, grants and policies; idempotent."""
    key = f",\n  primary key ({', '.join(map(quote, table.key))})" if table.key else ""
    by_day = " partition by range (day)" if table.partition == ("day",) else ""
    name = f"{SCHEMA}.{table.name}"
    columns = ",\n  ".join(column(f) for f in table.fields)
    reader = f"revoke all on {name} from {READER};" if table.private else f"grant select on {name} to {READER};"
    grants = f"grant select, insert, update, delete, truncate on {name} to {WRITER};\n{reader}"
    lines = [f"create table if not exists {name} (\n  {columns}{key}\n){by_day};", grants]
    if "property" in table.names:
        lines.append(_policies(name, table.private))
    return "\n".join(lines)


def _policies(name: str, private: bool) -> str:
    """Tenant isolation: a reader sees the rows of the one property set in its transaction; none if none is set."""
    reading = (
        f"create policy reading on {name} for select to {READER}\n"
        f"  using (property = current_setting('qoescope.property', true));\n"
    )
    return (
        f"alter table {name} enable row level security;\nalter table {name} force row level security;\n"
        f"drop policy if exists reading on {name};\ndrop policy if exists writing on {name};\n"
        f"{'' if private else reading}"
        f"create policy writing on {name} for all to {WRITER} using (true) with check (true);"
    )


def schema(tables: tuple[Table, ...]) -> str:
    """Everything that the owner creates."""
    head = f"create schema if not exists {SCHEMA};\ngrant usage on schema {SCHEMA} to {WRITER}, {READER};"
    return "\n\n".join([head, FUNCTIONS.strip(), *(create(table) for table in tables)]) + "\n"


def upsert(table: Table, staging: str) -> str:
    """Inserts rows of `staging` into the table by its key: declared sums add up, other columns are replaced."""
    names = ", ".join(map(quote, table.names))
    types = {f.name: f.type for f in table.fields}
    changes = ", ".join(
        f"{quote(n)} = {_added(table.name, n, types[n]) if n in table.sums else f'excluded.{quote(n)}'}"
        for n in table.names
        if n not in table.key
    )
    action = f"do update set {changes}" if changes else "do nothing"
    keys = ", ".join(map(quote, table.key))
    return (
        f"insert into {SCHEMA}.{table.name} as {table.name} ({names}) select {names} from {staging} "
        f"order by {keys} on conflict ({keys}) {action}"
    )


def unnest_source(table: Table) -> str:
    """A row source of arrays of texts, one a column, for use in place of a table's name."""
    columns = ", ".join(f"c{n}::{TYPES[f.type]} as {quote(f.name)}" for n, f in enumerate(table.fields))
    lists = ", ".join("%s::text[]" for _ in table.fields)
    names = ", ".join(f"c{n}" for n in range(len(table.fields)))
    return f"(select {columns} from unnest({lists}) as given ({names})) as rows"


def _added(table: str, name: str, kind: Type) -> str:
    column_name = quote(name)
    match kind:
        case "ints":
            return f"{SCHEMA}.added({table}.{column_name}, excluded.{column_name})"
        case "sketch":
            return f"{SCHEMA}.merged({table}.{column_name}, excluded.{column_name})"
        case _:
            return f"{table}.{column_name} + excluded.{column_name}"
