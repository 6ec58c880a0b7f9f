-- Roles and databases, made by the superuser; running it again changes nothing but the passwords.
-- QOESCOPE_SECRETS=/path/to/secrets psql -f roles.sql: passwords are read from files, so that none is an argument.
\set ON_ERROR_STOP on
\set owner `cat $QOESCOPE_SECRETS/owner.password`
\set writer `cat $QOESCOPE_SECRETS/writer.password`
\set reader `cat $QOESCOPE_SECRETS/reader.password`
\set airflow `cat $QOESCOPE_SECRETS/airflow.password`
\set grafana `cat $QOESCOPE_SECRETS/grafana.password`

select format('create role %I', name)
from unnest(array['qoescope_owner', 'qoescope_writer', 'qoescope_reader', 'qoescope_grafana', 'airflow']) as name
where not exists (select from pg_roles where rolname = name) \gexec

alter role qoescope_owner login nosuperuser nocreatedb nocreaterole nobypassrls password :'owner';
alter role qoescope_writer login nosuperuser nocreatedb nocreaterole nobypassrls password :'writer';
alter role qoescope_reader login nosuperuser nocreatedb nocreaterole nobypassrls password :'reader';
alter role airflow login nosuperuser nocreatedb nocreaterole nobypassrls password :'airflow';

-- Grafana reads as one property's reader: row-level security shows it that property and no other.
alter role qoescope_grafana login nosuperuser nocreatedb nocreaterole nobypassrls inherit password :'grafana';
grant qoescope_reader to qoescope_grafana;
alter role qoescope_grafana set qoescope.property = 'demo';
alter role qoescope_grafana set search_path = 'qoescope';
alter role qoescope_grafana set timezone = 'UTC';
alter role qoescope_grafana set statement_timeout = '10s';
alter role qoescope_grafana set default_transaction_read_only = on;

select format('create database %I owner %I', name, owner)
from (values ('qoescope', 'qoescope_owner'), ('airflow', 'airflow')) as wanted (name, owner)
where not exists (select from pg_database where datname = name) \gexec

revoke all on database qoescope, airflow from public;
grant connect on database qoescope to qoescope_writer, qoescope_reader, qoescope_grafana;
grant connect, create, temporary on database qoescope to qoescope_owner;
grant temporary on database qoescope to qoescope_writer;
