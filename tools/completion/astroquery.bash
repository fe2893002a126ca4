# bash completion for astroquery(1): commands, flags from --help, and what is in the store now.
#
# Values come from events: they are compared and quoted, never expanded. Without a daemon there are none,
# and nothing is said.

# Lines that begin with $1 become candidates, with $2 in front and $3 behind.
__astroquery_offer() {
	local line quoted
	while IFS= read -r line; do
		[[ $line == "$1"* ]] || continue
		printf -v quoted %q "$line"
		COMPREPLY+=("$2$quoted$3")
	done
}

# Names of fields, or with $1 the values of one.
__astroquery_ask() {
	command "${__astroquery_program/#\~/$HOME}" fields "$@" --complete \
		"${__astroquery_where[@]}" 2>/dev/null </dev/null
}

__astroquery_flags() {
	command "${__astroquery_program/#\~/$HOME}" "$1" --help 2>/dev/null |
		sed -nE 's/^  (-., |    )(--[a-z-]+).*/\2/p'
}

# Candidates for the value of flag $1, which begins with $2; $3 stands in front of it.
__astroquery_value() {
	local list=
	case $1 in
	-t | --type) __astroquery_offer "$2" "$3" < <(__astroquery_ask event_type) ;;
	-u | --user) __astroquery_offer "$2" "$3" < <(__astroquery_ask user_id) ;;
	-e | --entity)
		if [[ $2 == */* ]]; then
			__astroquery_offer "${2#*/}" "$3${2%%/*}/" \
				< <(__astroquery_ask entity_id "entity_type=${2%%/*}")
		else
			__astroquery_offer "$2" "$3" / < <(__astroquery_ask entity_type)
			compopt -o nospace 2>/dev/null
		fi ;;
	-p | --priority)
		list='emergency alert critical error warning notice info debug' ;;
	-o | --output)
		list='short short-iso verbose cat json json-pretty csv logfmt table id' ;;
	-S | --since | -U | --until) list='today yesterday now -1h -15m -1d' ;;
	-n | --lines) list='10 20 50 100 all' ;;
	--bucket) list='auto 1m 5m 15m 1h 1d 1w' ;;
	--agg) list='count distinct( sum( min( max( avg( p50( p95( p99(' ;;
	--order) list='arrival asc desc' ;;
	--color) list='auto always never' ;;
	-b | --by | --fields | --same)
		local last=${2##*,}
		__astroquery_offer "$last" "$3${2%"$last"}" < <(__astroquery_ask)
		compopt -o nospace 2>/dev/null ;;
	--tz)
		__astroquery_offer "$2" "$3" < <(sed -nE 's/^[^#\t]*\t[^\t]*\t([^\t]+).*/\1/p' \
			/usr/share/zoneinfo/zone1970.tab 2>/dev/null; echo UTC) ;;
	-D | --directory) mapfile -t COMPREPLY < <(compgen -d -P "$3" -- "$2")
		compopt -o filenames 2>/dev/null ;;
	--cursor-file) mapfile -t COMPREPLY < <(compgen -f -P "$3" -- "$2")
		compopt -o filenames 2>/dev/null ;;
	*) return 1 ;;
	esac
	[[ -z $list ]] || __astroquery_offer "$2" "$3" < <(printf '%s\n' $list)
}

_astroquery() {
	local line=${COMP_LINE:0:COMP_POINT} cur prev command= first=yes i
	local -a words
	local commands='search tail stats top fields export explain doctor'
	local __astroquery_program=
	local -a __astroquery_where=()

	COMPREPLY=()
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=('')
	(( ${#words[@]} > 1 )) || return 0
	__astroquery_program=${words[0]}
	cur=${words[-1]}
	prev=${words[-2]}
	for (( i = 1; i < ${#words[@]} - 1; i++ )); do
		case ${words[i]} in
		-a | --addr | -D | --directory)
			__astroquery_where+=("${words[i]}" "${words[++i]}") ;;
		--addr=* | --directory=*) __astroquery_where+=("${words[i]}") ;;
		-*) ;;
		*)
			[[ $first == yes && " $commands " == *" ${words[i]} "* ]] && command=${words[i]}
			first=no ;;
		esac
	done
	__astroquery_where=("${__astroquery_where[@]/#\~\//$HOME/}")

	if [[ $cur == --*=* ]]; then
		__astroquery_value "${cur%%=*}" "${cur#*=}" ''
	elif [[ $prev == -* ]] && __astroquery_value "$prev" "$cur" ''; then
		:
	elif [[ $cur == -* ]]; then
		__astroquery_offer "$cur" '' < <(__astroquery_flags "${command:-search}")
	elif [[ $cur == [a-z]*=* ]]; then
		__astroquery_offer "${cur#*=}" '' < <(__astroquery_ask "${cur%%=*}")
	else
		[[ $first == yes ]] && __astroquery_offer "$cur" '' < <(printf '%s\n' $commands)
		if [[ ( $command == top || $command == fields ) && $first == no && $prev == "$command" ]]; then
			__astroquery_offer "$cur" '' < <(__astroquery_ask)
		elif [[ $command != doctor ]]; then
			__astroquery_offer "$cur" '' '=' < <(__astroquery_ask)
			[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
		fi
	fi
	# Where = is a break between words, what stands before it stays on the line.
	if [[ $COMP_WORDBREAKS != *=* && $cur == *=* && ${#COMPREPLY[@]} -gt 0 ]]; then
		COMPREPLY=("${COMPREPLY[@]/#/${cur%%=*}=}")
	fi
	return 0
}

complete -F _astroquery astroquery
