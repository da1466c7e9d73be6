# SPDX-License-Identifier: GPL-2.0-only
#
# scatter.gp - points with error bars, e.g. lock wait against lock utilisation
#
# Uses the prelude that style.gp describes, without categories.

sample = 'point'
eval begin
set grid xtics ytics ls 21

do for [p = 1:panel_count] {
	eval panel
	plot NaN notitle, \
		for [k = 1:shown_count] $data index data_of(k) using 1:(bar_start($3)):(0):(interval($3, $4)) \
			with vectors @interval_ends ls 10 + style_of(k) lw 0.9 title name_of(k), \
		for [k = 1:shown_count] $data index data_of(k) using 1:2 \
			with points ls 10 + style_of(k) title name_of(k)
}
unset multiplot
unset output
