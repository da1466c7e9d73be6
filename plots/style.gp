# SPDX-License-Identifier: GPL-2.0-only
#
# style.gp - what all plots share: the look, the limits of the data, the places of everything on the picture
#
# Comes after the prelude and before one of lines.gp, bars.gp, stacked.gp, cdf.gp, scatter.gp and tornado.gp.
# Strings in the prelude are in single quotes: in double quotes gnuplot runs what stands between backquotes.
# In a locale that is not UTF-8 gnuplot warns of a degree sign; it runs with LC_ALL=C.UTF-8.
#
# The prelude:
#	output = 'file.svg'		or 'file.png'; the same input gives the same bytes
#	title = ''			one line, shrunk and then wrapped to fit
#	footer = ''			the command that made the picture; wrapped to fit
#	xlabel = '' ylabel = ''		with units
#	logx = 0 logy = 0		1: that axis is logarithmic; values <= 0 are then left out
#	zero = 0			1: the y axis starts at 0, unless logarithmic
#	panel_count = 1			1 to 4 plots side by side with the same axes
#	array panel_name[panel_count]	written above each; '' for none
#	series_count = 1		1 to 8
#	array series_name[series_count]	for the legend; with one series '' for no legend
#	array series_style[series_count]
#					1 to 8; a style number looks the same in every plot
#	reference_count = 0		lines across all panels
#	array reference_value[], array reference_name[]
#					of reference_count elements, at least one
#	category_count = 0		> 0: x is 0 to category_count - 1, named by
#	array category_name[]		of category_count elements, at least one
#	$data				lines of "x y ylow yhigh", by increasing x: panel_count * series_count
#					datasets, all series of the first panel, then of the next, with two blank
#					lines between. "NaN NaN NaN NaN" alone: no values. ylow = yhigh = y: no
#					interval
#
# Left by this script: style lines 1 to 8 for lines and 11 to 18 for points and error bars; order[], the series
# by style number, and rank[], the place of a series in it; x_min, x_max, y_min, y_max, the limits of the data with
# intervals and references; points[dataset(p, s) + 1], the number of values; part(p, s, c), the value at a category,
# from 1, and column_height[], panel by panel the sums over all series; and two strings to run with eval: begin,
# after what is listed as "what a kind of plot may change"; then panel for each p, before its plot, which leaves in
# shown[] the shown_count series that have values there.

set encoding utf8

face = "sans-serif"

# ---- text: widths are guesses, in units of the font size, for DejaVu Sans, a wide face

glyph_width(c) = strstrt("ijlI.,:;'|!()[]ftr ", c) ? 0.38 : strstrt("mwMW%@=+<>–—", c) ? 0.9 : 0.63
text_width(s) = sum [_c = 1:strlen(s)] glyph_width(substr(s, _c, _c))
# by halves, because gnuplot's functions nest 250 deep: how many characters fit, from "few" on, which do, and below
# "many", which do not; and the last space behind "from" and up to "to", or 0
fitting_between(s, w, few, many) = many - few < 2 ? few : text_width(substr(s, 1, (few + many) / 2)) <= w ? \
	fitting_between(s, w, (few + many) / 2, many) : fitting_between(s, w, few, (few + many) / 2)
fitting(s, w) = fitting_between(s, w, 0, strlen(s) + 1)
space_between(s, from, to) = from >= to ? 0 : to - from == 1 ? (substr(s, to, to) eq ' ' ? to : 0) : \
	larger(space_between(s, from, (from + to) / 2), space_between(s, (from + to) / 2, to))
last_space(s, n) = space_between(s, 0, n)
# where the first line of s ends: at a space, or in a word wider than w
space_before(s, w) = last_space(s, fitting(s, w) + 1)
line_end(s, w) = space_before(s, w) ? space_before(s, w) : fitting(s, w) > 1 ? fitting(s, w) : 1
line(s, n) = substr(s, n, n) eq ' ' ? substr(s, 1, n - 1) : substr(s, 1, n)
rest(s, n) = substr(s, n + 1, strlen(s))
wrapped(s, w) = text_width(s) <= w ? s : line(s, line_end(s, w))."\n".wrapped(rest(s, line_end(s, w)), w)
rows(s, w) = text_width(s) <= w ? 1 : 1 + rows(rest(s, line_end(s, w)), w)
words_fit(s, w) = text_width(s) <= w ? 1 : space_before(s, w) == 0 ? 0 : words_fit(rest(s, line_end(s, w)), w)

# names beside an axis leave room for the plot: of long ones, such as those of files, the beginning and the end
shortened(s, n) = strlen(s) <= n ? s : substr(s, 1, n / 2 - 1)."…".substr(s, strlen(s) - n / 2 + 1, strlen(s))

# labels of tics are formats
unformatted(s) = strlen(s) < 2 ? (s eq '%' ? '%%' : s) : \
	unformatted(substr(s, 1, strlen(s) / 2)).unformatted(rest(s, strlen(s) / 2))

# numbers on axes and bars: 12000, but 250k where the largest is 100000 or more
scaled(v, size) = size >= 1e12 ? sprintf('%gT', v / 1e12) : size >= 1e9 ? sprintf('%gG', v / 1e9) : \
	size >= 1e6 ? sprintf('%gM', v / 1e6) : size >= 1e3 ? sprintf('%gk', v / 1e3) : sprintf('%g', v)
tic_text(v, largest) = v == 0 ? '0' : largest >= 1e5 ? scaled(v, largest) : sprintf('%g', v)
log_tic_text(v, largest) = largest >= 1e5 ? scaled(v, v) : sprintf('%g', v)
binary_text(v) = v >= 2 ** 30 ? sprintf('%gGi', v / 2. ** 30) : v >= 2 ** 20 ? sprintf('%gMi', v / 2. ** 20) : \
	v >= 1024 ? sprintf('%gKi', v / 1024.) : sprintf('%g', v)
round_to(v, unit) = floor(v / unit + 0.5) * unit
value_text(v) = abs(v) >= 1e5 ? scaled(round_to(v, 10. ** (floor(log10(abs(v))) - 2)), abs(v)) : \
	abs(v) >= 100 || v == floor(v) ? sprintf('%.0f', v) : abs(v) >= 10 ? sprintf('%.1f', v) : sprintf('%.2g', v)

smaller(a, b) = a < b ? a : b
larger(a, b) = a > b ? a : b

# ---- the look: nothing is told by colour alone

array line_colour[8] = ["#b4b4b4", "#000000", "#e07a1f", "#004a9f", "#1a936f", "#a03c82", "#d99000", "#3a9ad9"]
array point_colour[8] = ["#666666", "#000000", "#c05a00", "#004a9f", "#00755a", "#8a2f6f", "#a86c00", "#1d78b5"]

# Wide pale lines below, narrow dark ones above, all but two with gaps, so that equal series can all be seen
set style line 1 lw 6.0 dt solid lc rgb line_colour[1]
set style line 2 lw 1.6 dt solid lc rgb line_colour[2]
set style line 3 lw 3.2 dt (9, 5) lc rgb line_colour[3]
set style line 4 lw 2.8 dt (2.5, 3.5) lc rgb line_colour[4]
set style line 5 lw 2.2 dt (14, 4, 2.5, 4) lc rgb line_colour[5]
set style line 6 lw 2.2 dt (6, 3, 1.5, 3, 1.5, 3) lc rgb line_colour[6]
set style line 7 lw 4.2 dt (1.5, 1.5) lc rgb line_colour[7]
set style line 8 lw 1.6 dt (20, 6) lc rgb line_colour[8]

# Open points, the first the largest, so that equal ones show around each other
set style line 11 lw 1.4 dt solid pt 6 ps 1.35 lc rgb point_colour[1]
set style line 12 lw 1.4 dt solid pt 7 ps 0.55 lc rgb point_colour[2]
set style line 13 lw 1.4 dt solid pt 8 ps 1.15 lc rgb point_colour[3]
set style line 14 lw 1.4 dt solid pt 4 ps 0.85 lc rgb point_colour[4]
set style line 15 lw 1.4 dt solid pt 2 ps 0.85 lc rgb point_colour[5]
set style line 16 lw 1.4 dt solid pt 12 ps 1.05 lc rgb point_colour[6]
set style line 17 lw 1.4 dt solid pt 11 ps 0.85 lc rgb point_colour[7]
set style line 18 lw 1.4 dt solid pt 1 ps 1.05 lc rgb point_colour[8]
set style line 20 lw 1.2 dt (7, 3, 2, 3) lc rgb "#404040"
set style line 21 lw 0.8 dt solid lc rgb "#dcdcdc"
set style line 22 lw 1.0 dt solid lc rgb "#404040"

# Error bars are vectors, because yerrorbars rub out what is below their points
bar_start(low) = logy ? larger(low, y_low) : low
interval(low, high) = high > low ? high - bar_start(low) : NaN
interval_ends = "heads size screen 0.0035, 90 fixed"

array bar_tint[8] = ["#cfcfcf", "#303030", "#ffe9d6", "#5a94cc", "#ffffff", "#f0d8e8", "#ecb23c", "#ffffff"]
array bar_ink[8] = ["#000000", "#000000", "#b84e00", "#000000", "#00694c", "#8a2f6f", "#6b4500", "#1d78b5"]
array bar_pattern[8] = [0, 0, 4, 0, 5, 1, 7, 0]

# ---- the data, once through

if (category_count) { logx = 0 }
do for [c = 1:category_count] { category_name[c] = shortened(category_name[c], 40) }
kept = 0
do for [r = 1:reference_count] {
	if (!logy || reference_value[r] > 0) {
		kept = kept + 1
		reference_value[kept] = reference_value[r]
		reference_name[kept] = reference_name[r]
	}
}
reference_count = kept

x_min = y_min = +1e300
x_max = y_max = -1e300
array points[panel_count * series_count]
array cell[panel_count * series_count * larger(1, category_count)]
array x_value[64]
x_count = 0
interval_count = 0
do for [k = 1:|points|] { points[k] = 0 }
do for [k = 1:|cell|] { cell[k] = 0 }

usable(x, y) = x == x && y == y && (!logx || x > 0) && (!logy || y > 0)
note_x(x) = (x_min = smaller(x_min, x), x_max = larger(x_max, x), \
	x_count < 64 && (sum [_k = 1:x_count] (x_value[_k] == x)) == 0 ? \
		(x_count = x_count + 1, x_value[x_count] = x) : 0)
note_y(y) = y == y && (!logy || y > 0) ? (y_min = smaller(y_min, y), y_max = larger(y_max, y)) : 0
note_cell(i, x, y) = category_count && x >= 0 && x < category_count ? \
	cell[i * category_count + int(x) + 1] = y : 0
note(i, x, y, low, high) = usable(x, y) ? (points[i + 1] = points[i + 1] + 1, note_x(x), note_y(y), note_y(low), \
	note_y(high), note_cell(i, x, y), interval_count = interval_count + (high > low), 0) : 0

set xrange [-1:1]
set yrange [-1:1]
set table $unused
plot $data using (note(column(-2), column(1), column(2), column(3), column(4))):(0) with points
unset table
do for [k = 1:reference_count] { ignored = note_y(reference_value[k]) }
if (x_min > x_max) { x_min = x_max = 1. }
if (y_min > y_max) { y_min = y_max = 1. }
do for [k = 2:x_count] {
	do for [n = k:2:-1] {
		if (x_value[n] < x_value[n - 1]) {
			swap = x_value[n]; x_value[n] = x_value[n - 1]; x_value[n - 1] = swap
		}
	}
}

part(p, s, c) = cell[((p - 1) * series_count + s - 1) * category_count + c]
array column_height[panel_count * larger(1, category_count)]
do for [p = 1:panel_count] {
	do for [c = 1:category_count] {
		column_height[(p - 1) * category_count + c] = sum [_s = 1:series_count] part(p, _s, c)
	}
}

# in the order of style numbers
array order[series_count]
array rank[series_count]
array shown[series_count]
shown_count = 0
do for [k = 1:8] {
	do for [s = 1:series_count] {
		if (series_style[s] == k) {
			shown_count = shown_count + 1
			order[shown_count] = s
			shown[shown_count] = s
			rank[s] = shown_count
		}
	}
}
dataset(p, s) = (p - 1) * series_count + s - 1
# of the k-th shown series of the panel p
data_of(k) = dataset(p, shown[k])
name_of(k) = series_name[shown[k]]
style_of(k) = series_style[shown[k]]
tint_of(k) = bar_tint[style_of(k)]
ink_of(k) = bar_ink[style_of(k)]
pattern_of(k) = bar_pattern[style_of(k)]

# ---- what a kind of plot may change before begin

sample = 'line'		# in the legend: 'line', 'point' or 'bar'
legend_right = 0	# 1: a column beside the plot, the last series on top
sideways = 0		# 1: categories downwards, values from left to right, references in the legend
intervals_shown = 1	# 0: there are no error bars
flush_top = 0		# 1: the axis may end at the highest value
head_room = 0		# pixels above the highest value
side_room = 0.5		# slots of a category before the first and after the last
references_above = 0	# 1: reference lines above what is plotted
tics_at_values = 0	# 1: label the x values themselves if they are few and short
width = panel_count < 3 ? 900 : panel_count < 4 ? 1100 : 1240
height = 560		# more if the plot would have less than plot_height
plot_height = 300

# ---- places and steps

place_x(pixels) = pixels / (1. * width)
place_y(pixels) = 1 - pixels / (1. * height)
panel_left(p) = left + (p - 1) * (panel_width + gap)
panel_right(p) = panel_left(p) + panel_width
value_place(v) = bottom - (bottom - top) * share(v, y_low, y_high, logy)
share(v, low, high, log_axis) = log_axis ? log(1. * v / low) / log(1. * high / low) : (v - low) / (1. * high - low)
moved(x, pixels) = logx ? x * exp(pixels * log(1. * x_high / x_low) / panel_width) : \
	x + pixels * (x_high - x_low) / (1. * panel_width)

power_of_two(v) = v > 0 && 2. ** floor(log(v) / log(2) + 0.5) == v
power(v) = 10. ** floor(log10(v) + 1e-9)
one_two_five(r) = r < 1.001 ? 1 : r < 2.001 ? 2 : r < 5.001 ? 5 : 10
nice_above(v) = power(v) * one_two_five(v / power(v))
nice_below(v) = power(v) * (v >= 5 * power(v) ? 5 : v >= 2 * power(v) ? 2 : 1)
tic_look = "font ',11' nomirror out scale 0.6, 0.3 "
with_comma(list) = list eq '' ? '' : list.', '
# where a number over a bar is clear of reference lines, if it takes so many pixels; r is 1
clear(y, pixels, r) = r > reference_count ? y : clear(value_place(y) > value_place(reference_value[r]) && \
	value_place(y) < value_place(reference_value[r]) + pixels ? reference_value[r] : y, pixels, r + 1)

# ---- commands for eval: those after ":name" become the string "name"

$commands << END
:tics
# Between tic_low and tic_high on tic_pixels pixels, a label and its space taking tic_need: tic_list with and
# tic_bare without labels, tic_wide the width of the widest
tic_list = ''
tic_bare = ''
tic_wide = 0
if (tic_log) {
	decade = tic_pixels / log10(1. * tic_high / tic_low)
	stride = int(ceil(tic_need / decade))
	do for [e = int(floor(log10(tic_low))):int(ceil(log10(tic_high)))] {
		do for [m = 1:9] {
			v = m * 10. ** e
			named = m == 1 ? e % stride == 0 : m == 2 || m == 5 ? 0.3 * decade >= tic_need : \
				m != 7 && m != 9 && 0.079 * decade >= tic_need
			text = named ? log_tic_text(v, tic_high) : ''
			if (v >= tic_low * 0.99999 && v <= tic_high * 1.00001) {
				tic_list = with_comma(tic_list).sprintf("'%s' %.10g %d", text, v, !named)
				tic_bare = with_comma(tic_bare).sprintf("'' %.10g %d", v, !named)
				tic_wide = larger(tic_wide, text_width(text))
			}
		}
	}
} else {
	tic_step = nice_above((tic_high - tic_low) / tic_steps)
	do for [n = int(ceil(tic_low / tic_step - 0.001)):int(floor(tic_high / tic_step + 0.001))] {
		text = tic_text(n * tic_step, larger(abs(tic_low), abs(tic_high)))
		tic_list = with_comma(tic_list).sprintf("'%s' %.10g", text, n * tic_step)
		tic_bare = with_comma(tic_bare).sprintf("'' %.10g", n * tic_step)
		tic_wide = larger(tic_wide, text_width(text))
	}
}

:value_axis
if (logy) {
	y_low = 0.999999 * nice_below(y_min * 0.97)
	y_high = 1.000001 * nice_above(1.03 * y_max * (1.03 * y_max / y_low) ** (head_room / 350.))
} else {
	y_low = zero ? smaller(0, y_min) : y_min
	y_high = zero ? larger(0, y_max) : y_max
	if (y_low == y_high) {
		y_high = y_high + (y_high == 0 ? 1 : 0.1 * abs(y_high))
		y_low = y_low - (y_low == 0 ? 0 : 0.1 * abs(y_low))
	}
	y_step = nice_above((y_high - y_low) / (sideways ? 6. / panel_count : 6.))
	spread = y_high - y_low
	y_high = y_high + (y_high == 0 ? 0 : spread * ((flush_top ? 0 : 0.01) + head_room / 350.))
	y_low = y_low - (y_low == 0 ? 0 : spread * 0.01)
	y_high = ceil(y_high / y_step - 0.001) * y_step
	y_low = floor(y_low / y_step + 0.001) * y_step
}
tic_low = y_low
tic_high = y_high
tic_log = logy
tic_pixels = sideways ? 500. / panel_count : 350
tic_need = sideways ? 45 : 15
tic_steps = sideways ? 8. / panel_count : 8
eval tics
value_tics = tic_list
value_tics_bare = tic_bare
value_wide = tic_wide

:title_and_legend
title_size = larger(11, smaller(17, (width - 40) / (text_width(title) + 0.1)))
title_text = wrapped(title, (width - 30) / title_size)
top = 14 + rows(title, (width - 30) / title_size) * title_size * 1.2
legend_top = top + 4
legend_count = series_count == 1 && series_name[1] eq '' ? 0 : series_count
entry_count = legend_count + (sideways ? reference_count : 0)
array entry_name[entry_count + 1]
do for [k = 1:entry_count] {
	entry_name[k] = k <= legend_count ? series_name[k] : reference_name[k - legend_count]
}
sample_width = sample eq 'line' ? 46 : sample eq 'bar' ? 28 : 14
entry_width(k) = sample_width + 7 + 11 * text_width(entry_name[k]) + 20
widest_entry = 0
do for [k = 1:entry_count] { widest_entry = larger(widest_entry, entry_width(k)) }
legend_width = sum [_k = 1:entry_count] entry_width(_k)
legend_right = legend_right && widest_entry < width / 3.
legend_columns = entry_count
legend_rows = entry_count > 0
if (legend_width > width - 30) {
	legend_columns = larger(1, int((width - 30) / widest_entry))
	legend_rows = int(ceil(1. * entry_count / legend_columns))
	legend_columns = int(ceil(1. * entry_count / legend_rows))
	legend_width = legend_columns * widest_entry
}
if (!legend_right) { top = top + legend_rows * 19 + (legend_rows ? 9 : 0) }

:columns
# left, right, the panels
widest_category = 0
do for [c = 1:category_count] { widest_category = larger(widest_category, text_width(category_name[c])) }
widest_reference = 0
do for [r = 1:reference_count] { widest_reference = larger(widest_reference, text_width(reference_name[r])) }
reference_width = sideways ? 0 : smaller(150, 10 * widest_reference + 4)
left = ((sideways ? xlabel : ylabel) eq '' ? 14 : 34) + 12 + 11 * (sideways ? widest_category : value_wide)
right = (sideways ? larger(20, 5.5 * value_wide + 6) : 20) + (legend_right ? widest_entry : 0)
right = right + (reference_width > 0 ? reference_width + 8 : 0)
gap = sideways ? larger(22, 9 * value_wide + 8) : 22
panel_width = (width - left - right - gap * (panel_count - 1)) / (1. * panel_count)

:category_axis
array category_label[category_count]
slot = panel_width / (category_count - 1 + 2. * side_room)
turned = 0
category_rows = 1
do for [c = 1:category_count] {
	em = (slot - 6) / 11.
	turned = turned || !words_fit(category_name[c], em) || rows(category_name[c], em) > 3
	category_rows = turned ? 1 : larger(category_rows, rows(category_name[c], em))
}
if (turned) {
	turned = slot >= 24 ? 35 : 90
	if (turned == 35) {
		# the names end at their bars and may begin left of the plot
		do for [c = 1:category_count] {
			left = larger(left, 9.5 * text_width(category_name[c]) - (c - 1 + side_room) * slot + 6)
		}
		panel_width = (width - left - right - gap * (panel_count - 1)) / (1. * panel_count)
		slot = panel_width / (category_count - 1 + 2. * side_room)
	}
}
x_low = -side_room
x_high = category_count - 1 + side_room
x_tics = ''
stride = turned ? int(ceil(12 / slot)) : 1
do for [c = 1:category_count] {
	category_label[c] = unformatted(turned ? category_name[c] : wrapped(category_name[c], em))
	category_label[c] = (c - 1) % stride ? '' : category_label[c]
	x_tics = with_comma(x_tics).sprintf("category_label[%d] %d", c, c - 1)
}
axis_height = turned == 35 ? 6.5 * widest_category + 18 : turned ? 11 * widest_category + 14 : \
	15 * category_rows + 16

:number_axis
if (logx) {
	spread = x_min == x_max ? 0.7 : 16 / (panel_width - 32) * log(1. * x_max / x_min)
	x_low = x_min * exp(-spread)
	x_high = x_max * exp(spread)
} else {
	spread = x_min == x_max ? (x_min == 0 ? 1 : 0.5 * abs(x_min)) : 16 / (panel_width - 32) * (x_max - x_min)
	x_low = x_min - spread
	x_high = x_max + spread
}
axis_height = 29
tic_low = x_low
tic_high = x_high
tic_log = logx
tic_pixels = panel_width
tic_need = 11 * text_width(tic_text(x_max, x_max)) + 10
tic_steps = smaller(10, larger(2, panel_width / (tic_need + 10)))
eval tics
x_tics = x_count ? tic_list : ''

# the values themselves, if they are few: all of them, every so many if they are evenly spaced, or those with room
at_values = tics_at_values && x_count > 0 && x_count <= 20
binary = x_max >= 1e5
do for [k = 1:x_count] {
	at_values = at_values && (x_value[k] == int(x_value[k]) || strlen(sprintf('%g', x_value[k])) <= 4)
	binary = binary && power_of_two(x_value[k])
}
if (at_values) {
	array x_place[x_count]
	array x_text[x_count]
	array x_named[x_count]
	do for [k = 1:x_count] {
		x_named[k] = 0
		x_place[k] = panel_width * share(x_value[k], x_low, x_high, logx)
		x_text[k] = binary ? binary_text(x_value[k]) : logx ? log_tic_text(x_value[k], x_max) : \
			tic_text(x_value[k], x_max)
	}
	stride = 1
	even = 1
	do for [k = 2:x_count] {
		step = x_place[k] - x_place[k - 1]
		even = even && abs(step - x_place[2] + x_place[1]) < 1
		stride = larger(stride, int(ceil((5.5 * text_width(x_text[k - 1].x_text[k]) + 8) / step)))
	}
	if (logx || !even || stride == 1) {
		# if unevenly spaced, powers of two come first
		do for [round = 1:2] {
			do for [k = 1:x_count] {
				x_named[k] = even ? (k - 1) % stride == 0 : x_named[k] || \
					(round == 2 || power_of_two(x_value[k])) && \
					(sum [_k = 1:x_count] (x_named[_k] && abs(x_place[_k] - x_place[k]) < \
						5.5 * text_width(x_text[_k].x_text[k]) + 8)) == 0
			}
		}
		x_tics = ''
		do for [k = 1:x_count] {
			text = x_named[k] ? x_text[k] : ''
			x_tics = with_comma(x_tics).sprintf("'%s' %.10g %d", text, x_value[k], !x_named[k])
		}
	}
}

:rows_of_picture
panel_rows = 0
do for [p = 1:panel_count] {
	panel_rows = panel_name[p] eq '' ? panel_rows : larger(panel_rows, rows(panel_name[p], panel_width / 12.5))
}
top = top + panel_rows * 15 + 8
footer_em = (width - 24) / 9.
footer_text = wrapped(footer, footer_em)
footer_rows = footer eq '' ? 0 : rows(footer, footer_em)
if (intervals_shown && interval_count) {
	footer_text = "error bars: 95 % confidence intervals\n".footer_text
	footer_rows = footer_rows + 1
}
bottom_label = sideways ? ylabel : xlabel
side_label = sideways ? xlabel : ylabel
below = axis_height + (bottom_label eq '' ? 4 : 22) + footer_rows * 12 + 12
height = larger(height, top + below + plot_height)
bottom = height - below

:open
if (output[strlen(output) - 3:] eq ".png") {
	set terminal pngcairo size 2 * width, 2 * height noenhanced background "white" font face.",12" \
		fontscale 1.5 linewidth 2 pointscale 2 dashlength 1
} else {
	set terminal svg size width, height noenhanced background "white" font face.",12"
}
set output output
set multiplot

:draw_legend
do for [k = 1:entry_count] {
	if (legend_right) {
		px = width - widest_entry + 8
		py = top + 10 + 20 * (entry_count - k)
	} else {
		px = (width - legend_width + 20) / 2. + (legend_rows == 1 ? sum [_k = 1:k - 1] entry_width(_k) : \
			((k - 1) % legend_columns) * widest_entry)
		py = legend_top + 10 + 19 * ((k - 1) / legend_columns)
	}
	end = px + sample_width
	style = k <= legend_count ? series_style[k] : 20
	set label entry_name[k] at screen place_x(end + 7), screen place_y(py) left font ",11"
	if (sample eq 'line' || k > legend_count) {
		set arrow from screen place_x(px), screen place_y(py) to screen place_x(end), screen place_y(py) \
			nohead ls style
	}
	if (k <= legend_count && sample ne 'bar') {
		set label "" at screen place_x((px + end) / 2.), screen place_y(py) point ls 10 + style
	}
	if (k <= legend_count && sample eq 'bar') {
		set object rectangle from screen place_x(px), screen place_y(py - 6) \
			to screen place_x(end), screen place_y(py + 6) fs solid noborder fc rgb bar_tint[style]
		set object rectangle from screen place_x(px), screen place_y(py - 6) \
			to screen place_x(end), screen place_y(py + 6) \
			fs transparent pattern bar_pattern[style] border lc rgb "black" fc rgb bar_ink[style] lw 0.8
	}
}

:draw_references
# labels beside the last panel, moved apart, from the highest value down
array by_value[reference_count + 1]
do for [r = 1:reference_count] {
	above = sum [_r = 1:reference_count] (reference_value[_r] > reference_value[r] || \
		reference_value[_r] == reference_value[r] && _r < r)
	by_value[above + 1] = r
}
used = top - 6
need = sum [_r = 1:reference_count] (12 * rows(reference_name[_r], reference_width / 10.) + 4)
do for [k = 1:reference_count] {
	r = by_value[k]
	high = 12 * rows(reference_name[r], reference_width / 10.)
	place = value_place(reference_value[r])
	py = larger(used + high / 2., smaller(place, larger(top, bottom + 6 - need + high / 2.)))
	used = py + high / 2. + 4
	need = need - high - 4
	px = panel_right(panel_count)
	set arrow from screen place_x(px), screen place_y(place) to screen place_x(px + 10), screen place_y(py) \
		nohead ls 22 lw 0.7
	set label wrapped(reference_name[r], reference_width / 10.) at screen place_x(px + 13), \
		screen place_y(py - (high - 12) / 2.) left font ",10"
}

:draw_frame
set lmargin at screen 0
set rmargin at screen 1
set bmargin at screen 0
set tmargin at screen 1
unset border
unset tics
unset key
set label title_text at screen 0.5, screen place_y(14 + title_size * 0.35) center \
	font sprintf(",%.1f", title_size)
if (footer_rows) {
	set label footer_text at screen place_x(12), screen place_y(height - 12 * footer_rows) left \
		font ",9" tc rgb "#505050"
}
middle = (panel_left(1) + panel_right(panel_count)) / 2
label_size = smaller(12, (width - 20) / (text_width(bottom_label) + 0.1))
set label bottom_label at screen place_x(middle), screen place_y(bottom + axis_height + 10) center \
	font sprintf(",%.1f", label_size)
label_size = smaller(12, (bottom - top + 60) / (text_width(side_label) + 0.1))
set label side_label at screen place_x(16), screen place_y((top + bottom) / 2.) center rotate by 90 \
	font sprintf(",%.1f", label_size)
do for [p = 1:panel_count] {
	set label wrapped(panel_name[p], panel_width / 12.5) center font ",12.5" \
		at screen place_x(panel_left(p) + panel_width / 2), screen place_y(top - 15 * panel_rows + 3)
}
eval draw_legend
if (!sideways) { eval draw_references }
set xrange [0:1]
set yrange [0:1]
plot NaN notitle
unset label
unset arrow
unset object

:begin
# From the limits of the data to an open multiplot with all on it but the panels
eval value_axis
eval title_and_legend
eval columns
if (sideways) {
	axis_height = 29
	category_tics = ''
	category_tics_bare = ''
	do for [c = 1:category_count] {
		category_tics = with_comma(category_tics).sprintf("unformatted(category_name[%d]) %d", c, c - 1)
		category_tics_bare = with_comma(category_tics_bare).sprintf("'' %d", c - 1)
	}
} else {
	if (category_count) { eval category_axis } else { eval number_axis }
}
eval rows_of_picture
eval open
eval draw_frame
set border 3 ls 22
set grid ytics ls 21
if (sideways && logy || !sideways && logx) { set logscale x }
if (!sideways && logy) { set logscale y }

:panel
# Axes and references of the panel p, before its plot
set lmargin at screen place_x(panel_left(p))
set rmargin at screen place_x(panel_right(p))
set tmargin at screen place_y(top)
set bmargin at screen place_y(bottom)
unset arrow
unset label
shown_count = 0
do for [k = 1:series_count] {
	if (points[dataset(p, order[k]) + 1] > 0) {
		shown_count = shown_count + 1
		shown[shown_count] = order[k]
	}
}
if (shown_count == 0) {
	set label "no values" at graph 0.5, graph 0.5 center font ",12" tc rgb "#505050"
}
if (sideways) {
	set xrange [y_low:y_high]
	set yrange [category_count - 0.5:-0.5]
	eval "set xtics ".tic_look."(".value_tics.")"
	eval "set ytics ".tic_look."(".(p == 1 ? category_tics : category_tics_bare).")"
} else {
	set xrange [x_low:x_high]
	set yrange [y_low:y_high]
	if (category_count && turned) { set xtics rotate by turned right } else { set xtics norotate center }
	eval "set xtics ".tic_look."(".x_tics.")"
	eval "set ytics ".tic_look."(".(p == 1 ? value_tics : value_tics_bare).")"
}
do for [r = 1:reference_count] {
	across = sideways ? 'first reference_value[r], graph 0 to first reference_value[r], graph 1' : \
		'graph 0, first reference_value[r] to graph 1, first reference_value[r]'
	across = 'set arrow from '.across.' nohead '
	if (references_above) {
		eval across.'front lw 2.6 lc rgb "white"'
		eval across.'front ls 20'
	} else {
		eval across.'back ls 20'
	}
}
END

do for [k = 1:|$commands|] {
	text = $commands[k]
	if (text[1:1] eq ':') {
		name = text[2:]
		eval name." = ''"
	} else {
		if (substr(word(text, 1), 1, 1) ne '#') {
			cut = text[strlen(text):] eq "\\"
			eval name." = ".name.". (cut ? text[1:strlen(text) - 1] : text.';')"
		}
	}
}
