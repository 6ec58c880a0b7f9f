"""Import: a streaming_telemetry.csv into lake and marts; rows that break a rule are kept aside with the reason."""

from airflow.sdk import Asset, dag, task


@dag(
    schedule=None, catchup=False, params={"path": "output/streaming_telemetry.csv", "property": "import"}, tags=["mart"]
)
def import_csv() -> None:
    """One run is one file; importing it again changes nothing."""

    @task(outlets=[Asset("mart/quality")])
    def import_file(path: str, property_id: str) -> None:
        from pathlib import Path

        from qoescope.mart.jobs.import_csv import import_csv as run
        from qoescope.settings import Settings

        run(Settings(), Path(path), property_id)

    import_file("{{ params.path }}", "{{ params.property }}")


import_csv()
