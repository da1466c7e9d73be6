# SPDX-License-Identifier: GPL-2.0-only
#
# bars.gp - grouped bars with error bars over categories, e.g. throughput by policy and capability bits
#
# Uses the prelude that style.gp describes, with category_count > 0, without logx and zero: bars begin at 0, or with
# logy at the lower end of the axis. Few bars have their values on top.

sample = 'bar'
zero = 1
references_above = 1
side_room = 0.45
slot_guess = (width - 130. - 22 * (panel_count - 1)) / panel_count / category_count
bar = smaller((series_count == 1 ? 0.6 : 0.82) / series_count, 80 / slot_guess)
numbers_wide = 0
do for [k = 1:|cell|] { numbers_wide = larger(numbers_wide, 9.5 * text_width(value_text(cell[k])) + 4) }
numbers = |cell| > 48 || bar * slot_guess < 12 ? 'none' : bar * slot_guess < numbers_wide ? 'upright' : 'level'
numbers_place = numbers eq 'upright' ? "left rotate by 90 offset 0, 0.3" : "center offset 0, 0.5"
head_room = numbers eq 'none' ? 0 : numbers eq 'level' ? 16 : numbers_wide
eval begin

at(x, s) = x + (s - 0.5 * (series_count + 1)) * bar
base = logy ? y_low : 0
drawn(y) = logy && y <= 0 ? NaN : y
above(y, high) = logy ? (high > y ? high : y) : y < 0 ? 0 : high > y ? high : y
set style fill noborder

do for [p = 1:panel_count] {
	eval panel
	if (!logy && y_low < 0) { set arrow from graph 0, first 0 to graph 1, first 0 nohead ls 22 front }
	plot NaN notitle, \
		for [k = 1:shown_count] $data index data_of(k) \
			using 1:2:(at($1, shown[k] - 0.5)):(at($1, shown[k] + 0.5)):(base):(drawn($2)) \
			with boxxyerror fs solid noborder fc rgb tint_of(k) title name_of(k), \
		for [k = 1:shown_count] $data index data_of(k) \
			using 1:2:(at($1, shown[k] - 0.5)):(at($1, shown[k] + 0.5)):(base):(drawn($2)) \
			with boxxyerror fs transparent pattern pattern_of(k) border lc "black" fc rgb ink_of(k) \
			lw 0.8 title name_of(k), \
		for [k = 1:shown_count] $data index data_of(k) \
			using (at($1, shown[k])):(bar_start($3)):(0):(interval($3, $4)) \
			with vectors nohead lw 3 lc rgb "white" title name_of(k), \
		for [k = 1:shown_count] $data index data_of(k) \
			using (at($1, shown[k])):(bar_start($3)):(0):(interval($3, $4)) \
			with vectors @interval_ends lw 1.2 lc rgb "black" title name_of(k), \
		for [k = 1:(numbers eq 'none' ? 0 : shown_count)] $data index data_of(k) \
			using (at($1, shown[k])):(clear(above($2, $4), head_room + 3, 1)):(value_text($2)) \
			with labels font ",9.5" @numbers_place title name_of(k)
}
unset multiplot
unset output
