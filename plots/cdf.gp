# SPDX-License-Identifier: GPL-2.0-only
#
# cdf.gp - distributions: the fraction of values up to x, e.g. of the latency of map calls
#
# Uses the prelude that style.gp describes, without categories, logy, zero, ylow and yhigh: x increases within a
# dataset, usually with logx, and y is a fraction from 0 to 1. Few values are drawn as steps. Each series has a few
# points, at heights of its own, so that equal series can be seen.

intervals_shown = 0
zero = 1
logy = 0
y_min = 0
y_max = 1
flush_top = 1
eval begin
set grid xtics ytics ls 21

# Marks where y first reaches the next of four heights, or everything if that is few
next_height = 0
height_of(n, s) = (n + (rank[s] - 0.5) / series_count) / 4
reached(y, s) = y >= next_height ? \
	(next_height = height_of(ceil(4 * y - (rank[s] - 0.5) / series_count + 1e-9), s), 1) : 0
mark(n, y, s) = (next_height = n == 0 ? height_of(0, s) : next_height, reached(y, s) ? y : NaN)

do for [p = 1:panel_count] {
	eval panel
	plot NaN notitle, \
		for [k = 1:shown_count] $data index data_of(k) using 1:2 \
			with steps ls style_of(k) title name_of(k), \
		for [k = 1:shown_count] $data index data_of(k) using 1:(mark($0, $2, shown[k])) \
			with points ls 10 + style_of(k) title name_of(k)
}
unset multiplot
unset output
