# SPDX-License-Identifier: GPL-2.0-only
#
# lines.gp - lines with points and error bars over numbers or categories, e.g. throughput over devices
#
# Uses the whole prelude that style.gp describes. Series are moved sideways by a few pixels, and where x values are
# close to each other have points at some of them only, each series at others, so that equal series can be seen.

tics_at_values = 1
side_room = 0.4
eval begin
set grid xtics ytics ls 21

# in pixels, from one x value to the next
apart(k) = panel_width * (share(x_value[k + 1], x_low, x_high, logx) - share(x_value[k], x_low, x_high, logx))
closest = panel_width
do for [k = 1:x_count - 1] { closest = smaller(closest, apart(k)) }
longest = 1
do for [k = 1:|points|] { longest = larger(longest, points[k]) }
usual = panel_width / longest
step = smaller(category_count ? 6 : 2.5, larger(0.5, 0.5 * closest / series_count))
shift(s) = step * (rank[s] - 0.5 * (series_count + 1))
skip = usual >= 15 ? 1 : int(smaller(longest / 4 + 1, ceil(16. * series_count / usual)))
first(s) = (rank[s] - 1) * skip / series_count

do for [p = 1:panel_count] {
	eval panel
	plot NaN notitle, \
		for [k = 1:shown_count] $data index data_of(k) \
			using (moved($1, shift(shown[k]))):2 \
			with lines ls style_of(k) title name_of(k), \
		for [k = 1:shown_count] $data index data_of(k) every skip::first(shown[k]) \
			using (moved($1, shift(shown[k]))):(bar_start($3)):(0):(interval($3, $4)) \
			with vectors @interval_ends ls 10 + style_of(k) title name_of(k), \
		for [k = 1:shown_count] $data index data_of(k) every skip::first(shown[k]) \
			using (moved($1, shift(shown[k]))):2 \
			with points ls 10 + style_of(k) title name_of(k)
}
unset multiplot
unset output
