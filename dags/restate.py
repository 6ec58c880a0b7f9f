"""Restate: a day measured again from all of its events, late ones too, and published if it keeps the rules."""

from airflow.sdk import Asset, CronPartitionTimetable, dag, task

NIGHTLY = CronPartitionTimetable("0 2 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d")


@dag(schedule=NIGHTLY, catchup=False, params={"day": None}, max_active_runs=1, tags=["mart"])
def restate() -> None:
    """One run is one day; running it twice changes nothing."""

    @task(outlets=[Asset("mart/quality")])
    def restate_day(day: str) -> None:
        from datetime import date

        from qoescope.mart import jobs
        from qoescope.settings import Settings

        jobs.restate(Settings(), date.fromisoformat(day))

    restate_day("{{ params.day or dag_run.partition_key }}")


restate()
