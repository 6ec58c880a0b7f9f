"""Maintain the lake: join small files, delete what is past its retention, every morning."""

from airflow.sdk import CronPartitionTimetable, dag, task

MORNINGS = CronPartitionTimetable("0 4 * * *", timezone="UTC", key_format="%Y-%m-%d")


@dag(schedule=MORNINGS, catchup=False, params={"day": None}, tags=["lake"])
def maintain_lake() -> None:
    """Running it twice changes nothing."""

    @task
    def maintain(day: str) -> None:
        from qoescope.mart.jobs import lake_days, maintain
        from qoescope.settings import Settings

        maintain.maintain(Settings(), lake_days.parse_day(day))

    maintain("{{ params.day or dag_run.partition_key }}")


maintain_lake()
