"""Restate: a day measured again from all of its events, late ones too, and published if it keeps the rules."""

from airflow.sdk import Asset, CronPartitionTimetable, dag, task

NIGHTLY = CronPartitionTimetable("0 2 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d")
DAY = "{{ params.day or dag_run.partition_key }}"


@dag(schedule=NIGHTLY, catchup=False, params={"day": None}, max_active_runs=1, tags=["mart"])
def restate() -> None:
    """One run is one day; running it twice changes nothing."""

    @task(outlets=[Asset("lake/sessions")])
    def fold(day: str) -> None:
        from qoescope.mart.jobs import lake_days, restate
        from qoescope.settings import Settings

        restate.fold_day(Settings(), lake_days.parse_day(day))

    @task
    def quality_gate(day: str) -> None:
        from qoescope.mart.jobs import lake_days, publish
        from qoescope.settings import Settings

        publish.check_day(Settings(), lake_days.parse_day(day))

    @task(outlets=[Asset("mart/quality")])
    def publish(day: str) -> None:
        from qoescope.mart.jobs import lake_days, publish
        from qoescope.settings import Settings

        publish.publish(Settings(), lake_days.parse_day(day))

    @task(outlets=[Asset("incidents")])
    def look(day: str) -> None:
        from qoescope.mart.jobs import lake_days
        from qoescope.monitor.jobs.search_day import search_day
        from qoescope.settings import Settings

        search_day(Settings(), lake_days.parse_day(day))

    fold(DAY) >> quality_gate(DAY) >> publish(DAY) >> look(DAY)


restate()
