
Q
{a=`raw`,b="\u00e9\x41\101"}1
€âÏª{"n":1,"level":"warn"}
trace_id7