"""A model's best and worst answers on a set, as a page that people look at."""

from perfectlook.report.making import SHOWN, make_report, report_on_features
from perfectlook.report.page import page
from perfectlook.report.report import Report

__all__ = ["SHOWN", "Report", "make_report", "page", "report_on_features"]
