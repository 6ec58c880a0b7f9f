"""Forget a viewer: erase their pseudonyms from lake and marts, and keep the receipt."""

from airflow.sdk import dag, task


@dag(schedule=None, catchup=False, params={"property": "", "pseudonyms": []}, tags=["privacy"])
def forget_viewer() -> None:
    """Running it twice changes nothing. Airflow keeps what it is given: `qoescope batch pseudonyms`, never the id."""

    @task
    def forget(property_id: str, pseudonyms: str) -> None:
        from qoescope.mart.jobs.forget import forget_viewer as erase
        from qoescope.settings import Settings

        erase(Settings(), property_id, pseudonyms.split())

    forget("{{ params.property }}", "{{ params.pseudonyms | join(' ') }}")


forget_viewer()
