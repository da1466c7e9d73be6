# SPDX-License-Identifier: GPL-2.0-only
#
# tornado.gp - what an output hangs on: a pair of bars for each parameter, to both sides of a centre
#
# Uses the prelude that style.gp describes, with category_count > 0, without logx and zero: categories are
# parameters, the most decisive first and drawn on top; two series, usually the low and the high quarter of a
# parameter's range; y is the output with the parameter in that quarter. reference_value[1] is the centre; ylabel
# belongs to the horizontal axis, xlabel to the parameters.

sample = 'bar'
sideways = 1
references_above = 1
zero = 0
plot_height = larger(90, category_count * 22)
height = 0
if (reference_count == 0) { reference_value[1] = (y_min + y_max) / 2 }
eval begin
set grid xtics ytics ls 21

bar = 0.8 / series_count
at(x, s) = x + (s - 0.5 * (series_count + 1)) * bar
centre = reference_value[1]
set style fill noborder

do for [p = 1:panel_count] {
	eval panel
	plot NaN notitle, \
		for [k = 1:shown_count] $data index data_of(k) \
			using 2:1:(centre):2:(at($1, shown[k] - 0.5)):(at($1, shown[k] + 0.5)) \
			with boxxyerror fs solid noborder fc rgb tint_of(k) title name_of(k), \
		for [k = 1:shown_count] $data index data_of(k) \
			using 2:1:(centre):2:(at($1, shown[k] - 0.5)):(at($1, shown[k] + 0.5)) \
			with boxxyerror fs transparent pattern pattern_of(k) border lc "black" fc rgb ink_of(k) \
			lw 0.8 title name_of(k), \
		for [k = 1:shown_count] $data index data_of(k) \
			using (bar_start($3)):(at($1, shown[k])):(interval($3, $4)):(0) \
			with vectors nohead lw 3 lc rgb "white" title name_of(k), \
		for [k = 1:shown_count] $data index data_of(k) \
			using (bar_start($3)):(at($1, shown[k])):(interval($3, $4)):(0) \
			with vectors @interval_ends lw 1.2 lc rgb "black" title name_of(k)
}
unset multiplot
unset output
