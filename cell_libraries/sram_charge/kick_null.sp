* Cancels the comparator's kickback on a node that a multiplexer leaves with the converter's own
* capacitors only: the gates' charge goes in when clk rises, while that of the input pair goes out.
.subckt kick_null in clk vdd vss
Mn clk in clk vss nfet w=5 l=1
Mp clk in clk vdd pfet w=1.7 l=1
.ends
