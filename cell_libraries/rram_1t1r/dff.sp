* D flip-flop, rising edge. No reset: the sequencer clears its state through start.
.subckt dff d clk q vdd vss
Mnc cb clk vss vss nfet w=1 l=1
Mpc cb clk vdd vdd pfet w=2 l=1
Mnd ci cb vss vss nfet w=1 l=1
Mpd ci cb vdd vdd pfet w=2 l=1
Mnmt d cb m1 vss nfet w=1 l=1
Mpmt d ci m1 vdd pfet w=1 l=1
Mnma m2 m1 vss vss nfet w=1 l=1
Mpma m2 m1 vdd vdd pfet w=2 l=1
Mnmf m3 m2 vss vss nfet w=1 l=1
Mpmf m3 m2 vdd vdd pfet w=1 l=1
Mnmh m3 ci m1 vss nfet w=1 l=1
Mpmh m3 cb m1 vdd pfet w=1 l=1
Mnst m2 ci s1 vss nfet w=1 l=1
Mpst m2 cb s1 vdd pfet w=1 l=1
Mnsa s2 s1 vss vss nfet w=1 l=1
Mpsa s2 s1 vdd vdd pfet w=2 l=1
Mnsf s3 s2 vss vss nfet w=1 l=1
Mpsf s3 s2 vdd vdd pfet w=1 l=1
Mnsh s3 cb s1 vss nfet w=1 l=1
Mpsh s3 ci s1 vdd pfet w=1 l=1
Mnq q s1 vss vss nfet w=1.5 l=1
Mpq q s1 vdd vdd pfet w=2 l=1
.ends
