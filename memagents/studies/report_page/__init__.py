"""The report page: what a study found, as one HTML file that needs nothing else."""

from memagents.studies.report_page.page import page

__all__ = ["page"]
