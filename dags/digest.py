"""Digest: a page of the week that ends with a day, for each property, once that day is restated."""

from airflow.sdk import Asset, PartitionedAssetTimetable, dag, task

RESTATED = PartitionedAssetTimetable(assets=Asset("mart/quality"))


@dag(schedule=RESTATED, catchup=False, params={"day": None}, max_active_runs=1, tags=["serve"])
def digest() -> None:
    """One run is one day, the one that was published; running it twice writes the same pages."""

    @task
    def write(day: str) -> None:
        from datetime import date

        from qoescope.serve.jobs.digests import digests
        from qoescope.settings import Settings

        digests(Settings(), date.fromisoformat(day))

    write("{{ params.day or dag_run.partition_key }}")


digest()
