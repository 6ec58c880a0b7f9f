"""Forget a viewer: erase a pseudonym from lake and marts, and keep the receipt."""

from airflow.sdk import dag, task


@dag(schedule=None, catchup=False, params={"property": "", "viewer_id": ""}, tags=["privacy"])
def forget_viewer() -> None:
    """Running it twice changes nothing."""

    @task
    def forget(tenant: str, viewer: str) -> None:
        from qoescope.mart.jobs.forget import forget_viewer as erase
        from qoescope.settings import Settings

        erase(Settings(), tenant, viewer)

    forget("{{ params.property }}", "{{ params.viewer_id }}")


forget_viewer()
