/*
 * doctor_dir - checks of a data directory, from its files alone: rights, format, collector, journal,
 * segments and sidecars, disk, damage, clock.
 *
 * Nothing is changed and no lock is taken. Thread: one.
 */
#ifndef TOOLS_DOCTOR_DIR_H
#define TOOLS_DOCTOR_DIR_H

#include "tools/doctor.h"

void doctor_dir_check(struct doctor *d, const char *dir);

#endif
