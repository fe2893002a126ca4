
R
{app="api", level="in\nfo"}1
€âÏª{"n":1,"level":"warn"}
trace_id7