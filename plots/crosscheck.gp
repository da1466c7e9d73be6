# SPDX-License-Identifier: GPL-2.0-only
#
# crosscheck.gp - predicted against measured operations per second; simbench crosscheck --plot runs it
#
# Set before: output, a file name, or "" for a picture in characters; footer, a text; and the datablocks $qspinlock,
# $ticket, $tas, $mcs and $map of "measured predicted" in millions per second.

set logscale xy
set xlabel "measured on this machine, million operations a second"
set ylabel "predicted, million operations a second"
set key left top
set xrange [low:high]
set yrange [low:high]
if (output eq "") {
	set terminal dumb size 100, 34
	set key outside right top
} else {
	if (output[strlen(output) - 3:] eq ".png") {
		set terminal pngcairo size 900, 820 font "Sans,12"
	} else {
		set terminal svg size 900, 820 font "Sans,14" background "white"
	}
	set output output
	set size square
	set grid xtics ytics lc rgb "#dddddd" lw 1
	set title "Contended locks and maps: the model against this machine"
	set label 1 footer at screen 0.01, screen 0.012 font ",9" tc rgb "#555555"
	set bmargin 5
}
equal(x) = x
upper(x) = x * 1.35
lower(x) = x * 0.65
if (output eq "") {
	plot equal(x) title "equal" with dots, \
		$qspinlock using 1:2 title "qspinlock" with points pt "q", \
		$ticket using 1:2 title "ticket" with points pt "t", \
		$tas using 1:2 title "tas" with points pt "s", \
		$mcs using 1:2 title "mcs" with points pt "m", \
		$map using 1:2 title "map + unmap" with points pt "+"
} else {
	plot equal(x) title "equal" with lines lc rgb "black" lw 1, \
		upper(x) title "35 % off" with lines lc rgb "#888888" dt 2, \
		lower(x) notitle with lines lc rgb "#888888" dt 2, \
		$qspinlock using 1:2 title "qspinlock" with points pt 7 ps 0.9 lc rgb "black", \
		$ticket using 1:2 title "ticket" with points pt 6 ps 1.1 lc rgb "#0060a0", \
		$tas using 1:2 title "test-and-set" with points pt 2 ps 1.0 lc rgb "#b04000", \
		$mcs using 1:2 title "MCS" with points pt 8 ps 1.1 lc rgb "#007040", \
		$map using 1:2 title "map + unmap" with points pt 1 ps 1.2 lc rgb "#802080"
}
