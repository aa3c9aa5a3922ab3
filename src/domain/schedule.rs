//! When a trigger fires: the expressions that CronJob reads, computed right where CronJob is not.
