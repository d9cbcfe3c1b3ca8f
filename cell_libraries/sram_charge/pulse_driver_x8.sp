* Pulse-width row driver, strength 8: while x is high and en low, xp and xn follow the ramps; when x falls they
* keep their levels. A latch (h, hb) holds them at rest (xp = vdd, xn = vss) from en until x rises.
* wl_b = AND(sel, wb_b).
.subckt pulse_driver_x8 x en sel wb0 wb1 wb2 wb3 rampp rampn xp xn wl0 wl1 wl2 wl3 vdd vss
Mnen enb en vss vss nfet w=1.5 l=1
Mpen enb en vdd vdd pfet w=2 l=1
Mnta tb x tx vss nfet w=2 l=1
Mntb tx enb vss vss nfet w=2 l=1
Mpta tb x vdd vdd pfet w=2 l=1
Mptb tb enb vdd vdd pfet w=2 l=1
Mnti t tb vss vss nfet w=4 l=1
Mpti t tb vdd vdd pfet w=8 l=1
Mnha h tb hx vss nfet w=1.5 l=1
Mnhb hx hb vss vss nfet w=1.5 l=1
Mpha h tb vdd vdd pfet w=1.5 l=1
Mphb h hb vdd vdd pfet w=1.5 l=1
Mnra hb enb hy vss nfet w=1.5 l=1
Mnrb hy h vss vss nfet w=1.5 l=1
Mpra hb enb vdd vdd pfet w=1.5 l=1
Mprb hb h vdd vdd pfet w=1.5 l=1
Mngp rampp t xp vss nfet w=48 l=1
Mpgp rampp tb xp vdd pfet w=48 l=1
Mngn rampn t xn vss nfet w=48 l=1
Mpgn rampn tb xn vdd pfet w=48 l=1
Mprp xp h vdd vdd pfet w=24 l=1
Mnrn xn hb vss vss nfet w=12 l=1
Mnw0a wn0 sel w0x vss nfet w=1 l=1
Mnw0b w0x wb0 vss vss nfet w=1 l=1
Mpw0a wn0 sel vdd vdd pfet w=1 l=1
Mpw0b wn0 wb0 vdd vdd pfet w=1 l=1
Mnwl0 wl0 wn0 vss vss nfet w=1.5 l=1
Mpwl0 wl0 wn0 vdd vdd pfet w=2 l=1
Mnw1a wn1 sel w1x vss nfet w=1 l=1
Mnw1b w1x wb1 vss vss nfet w=1 l=1
Mpw1a wn1 sel vdd vdd pfet w=1 l=1
Mpw1b wn1 wb1 vdd vdd pfet w=1 l=1
Mnwl1 wl1 wn1 vss vss nfet w=1.5 l=1
Mpwl1 wl1 wn1 vdd vdd pfet w=2 l=1
Mnw2a wn2 sel w2x vss nfet w=1 l=1
Mnw2b w2x wb2 vss vss nfet w=1 l=1
Mpw2a wn2 sel vdd vdd pfet w=1 l=1
Mpw2b wn2 wb2 vdd vdd pfet w=1 l=1
Mnwl2 wl2 wn2 vss vss nfet w=1.5 l=1
Mpwl2 wl2 wn2 vdd vdd pfet w=2 l=1
Mnw3a wn3 sel w3x vss nfet w=1 l=1
Mnw3b w3x wb3 vss vss nfet w=1 l=1
Mpw3a wn3 sel vdd vdd pfet w=1 l=1
Mpw3b wn3 wb3 vdd vdd pfet w=1 l=1
Mnwl3 wl3 wn3 vss vss nfet w=1.5 l=1
Mpwl3 wl3 wn3 vdd vdd pfet w=2 l=1
.ends
