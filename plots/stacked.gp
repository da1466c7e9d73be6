# SPDX-License-Identifier: GPL-2.0-only
#
# stacked.gp - stacked bars with their totals, e.g. where a map call spends its time, by policy
#
# Uses the prelude that style.gp describes, with category_count > 0: categories are bars and series the parts, the
# first at the bottom. Without logx, logy, zero, ylow and yhigh. A part without value counts as 0.

sample = 'bar'
legend_right = 1
references_above = 1
intervals_shown = 0
zero = 1
logy = 0
y_min = 0
y_max = larger(0, reference_count ? reference_value[1] : 0)
do for [r = 2:reference_count] { y_max = larger(y_max, reference_value[r]) }
do for [k = 1:|column_height|] { y_max = larger(y_max, column_height[k]) }
y_max = y_max > 0 ? y_max : 1.
numbers_wide = 0
do for [k = 1:|column_height|] {
	numbers_wide = larger(numbers_wide, 9.5 * text_width(value_text(column_height[k])) + 4)
}
slot_guess = (width - 300. - 22 * (panel_count - 1)) / panel_count / category_count
upright = slot_guess < numbers_wide
numbers_place = upright ? "left rotate by 90 offset 0, 0.3" : "center offset 0, 0.5"
head_room = upright ? numbers_wide : 16
bar = smaller(0.7, 90 / slot_guess)
eval begin

below(k, x) = sum [_s = 1:shown[k] - 1] part(p, _s, int(x) + 1)
total(x) = column_height[(p - 1) * category_count + int(x) + 1]
set style fill noborder

do for [p = 1:panel_count] {
	eval panel
	plot NaN notitle, \
		for [k = 1:shown_count] $data index data_of(k) \
			using 1:2:($1 - bar / 2):($1 + bar / 2):(below(k, $1)):(below(k, $1) + $2) \
			with boxxyerror fs solid noborder fc rgb tint_of(k) title name_of(k), \
		for [k = 1:shown_count] $data index data_of(k) \
			using 1:2:($1 - bar / 2):($1 + bar / 2):(below(k, $1)):(below(k, $1) + $2) \
			with boxxyerror fs transparent pattern pattern_of(k) border lc "black" fc rgb ink_of(k) \
			lw 0.8 title name_of(k), \
		for [c = 0:(shown_count ? category_count - 1 : -1)] '+' every ::0::0 \
			using (c):(clear(total(c), head_room + 3, 1)):(value_text(total(c))) \
			with labels font ",9.5" @numbers_place title 'total'
}
unset multiplot
unset output
