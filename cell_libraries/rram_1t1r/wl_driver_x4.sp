* Three wordlines: a spike on x while pulse is high puts vwl on wl. vwl is the read level, or what
* writing needs. Strength 4.
.subckt wl_driver_x4 x0 x1 x2 pulse vwl wl0 wl1 wl2 vdd vss
Mna0 b0 x0 n0 vss nfet w=2 l=1
Mnb0 n0 pulse vss vss nfet w=2 l=1
Mpa0 b0 x0 vdd vdd pfet w=2 l=1
Mpb0 b0 pulse vdd vdd pfet w=2 l=1
Mni0 t0 b0 vss vss nfet w=1 l=1
Mpi0 t0 b0 vdd vdd pfet w=2 l=1
Mnu0 vwl t0 wl0 vss nfet w=8 l=1
Mpu0 vwl b0 wl0 vdd pfet w=8 l=1
Mnd0 wl0 b0 vss vss nfet w=8 l=1
Mna1 b1 x1 n1 vss nfet w=2 l=1
Mnb1 n1 pulse vss vss nfet w=2 l=1
Mpa1 b1 x1 vdd vdd pfet w=2 l=1
Mpb1 b1 pulse vdd vdd pfet w=2 l=1
Mni1 t1 b1 vss vss nfet w=1 l=1
Mpi1 t1 b1 vdd vdd pfet w=2 l=1
Mnu1 vwl t1 wl1 vss nfet w=8 l=1
Mpu1 vwl b1 wl1 vdd pfet w=8 l=1
Mnd1 wl1 b1 vss vss nfet w=8 l=1
Mna2 b2 x2 n2 vss nfet w=2 l=1
Mnb2 n2 pulse vss vss nfet w=2 l=1
Mpa2 b2 x2 vdd vdd pfet w=2 l=1
Mpb2 b2 pulse vdd vdd pfet w=2 l=1
Mni2 t2 b2 vss vss nfet w=1 l=1
Mpi2 t2 b2 vdd vdd pfet w=2 l=1
Mnu2 vwl t2 wl2 vss nfet w=8 l=1
Mpu2 vwl b2 wl2 vdd pfet w=8 l=1
Mnd2 wl2 b2 vss vss nfet w=8 l=1
.ends
