# fish completion for astroquery(1): commands, flags from --help, and what is in the store now.

# -a and -D of the line so far: the same place is asked.
function __astroquery_where
    set -l words (commandline -opc)
    set -l i 2
    while test $i -lt (count $words)
        switch $words[$i]
            case -a --addr -D --directory
                echo $words[$i]
                set i (math $i + 1)
                string replace -r '^~/' "$HOME/" -- $words[$i]
            case '--addr=*' '--directory=*'
                echo $words[$i]
        end
        set i (math $i + 1)
    end
end

# Names of fields, or the values of one.
function __astroquery_ask
    set -l program (commandline -opc)[1]
    command $program fields $argv --complete (__astroquery_where) 2>/dev/null </dev/null
end

function __astroquery_command
    for word in (commandline -opc)[2..-1]
        if contains -- $word search tail stats top fields export explain doctor
            echo $word
            return
        end
    end
end

function __astroquery_no_command
    test -z (__astroquery_command)''
end

function __astroquery_flags
    set -l program (commandline -opc)[1]
    set -l command (__astroquery_command)
    test -n "$command"; or set command search
    command $program $command --help 2>/dev/null | string replace -rf '^  (?:-., |    )(--[a-z-]+)(?: \S+)?  +(.*)' '$1\t$2'
end

# NAME= first, then its values.
function __astroquery_operand
    set -l word (commandline -ct)
    if string match -q -- '*=*' $word
        set -l name (string split -m 1 = -- $word)[1]
        for value in (__astroquery_ask $name)
            echo $name=$value
        end
    else
        for name in (__astroquery_ask)
            echo $name=
        end
    end
end

function __astroquery_list
    set -l before (string replace -rf '^(.*,).*' '$1' -- (commandline -ct))
    for name in (__astroquery_ask)
        echo $before$name
    end
end

function __astroquery_wants_field
    contains -- (commandline -opc)[-1] top fields
end

complete -c astroquery -f
complete -c astroquery -n __astroquery_no_command -a search -d 'shows events'
complete -c astroquery -n __astroquery_no_command -a tail -d 'follows new events'
complete -c astroquery -n __astroquery_no_command -a stats -d 'what is in the store'
complete -c astroquery -n __astroquery_no_command -a top -d 'the most frequent values of a field'
complete -c astroquery -n __astroquery_no_command -a fields -d 'the fields there are'
complete -c astroquery -n __astroquery_no_command -a export -d 'all that match, for programs'
complete -c astroquery -n __astroquery_no_command -a explain -d 'how a question is understood'
complete -c astroquery -n __astroquery_no_command -a doctor -d 'is everything well'
complete -c astroquery -n __astroquery_wants_field -a '(__astroquery_ask)'
complete -c astroquery -n 'not __astroquery_wants_field' -a '(__astroquery_operand)'
complete -c astroquery -n 'string match -q -- "-*" (commandline -ct)' -a '(__astroquery_flags)'
complete -c astroquery -s t -l type -x -a '(__astroquery_ask event_type)'
complete -c astroquery -s u -l user -x -a '(__astroquery_ask user_id)'
complete -c astroquery -s e -l entity -x -a '(__astroquery_ask entity_type)/'
complete -c astroquery -s p -l priority -x -a 'emergency alert critical error warning notice info debug'
complete -c astroquery -s o -l output -x -a 'short short-iso verbose cat json json-pretty csv logfmt table id'
complete -c astroquery -s S -l since -x -a 'today yesterday now -1h -15m -1d'
complete -c astroquery -s U -l until -x -a 'today yesterday now -1h -15m -1d'
complete -c astroquery -s n -l lines -x -a '10 20 50 100 all'
complete -c astroquery -s b -l by -x -a '(__astroquery_list)'
complete -c astroquery -l fields -x -a '(__astroquery_list)'
complete -c astroquery -l same -x -a '(__astroquery_list)'
complete -c astroquery -l bucket -x -a 'auto 1m 5m 15m 1h 1d 1w'
complete -c astroquery -l agg -x -a 'count distinct( sum( min( max( avg( p50( p95( p99('
complete -c astroquery -l order -x -a 'arrival asc desc'
complete -c astroquery -l color -x -a 'auto always never'
complete -c astroquery -s D -l directory -x -a '(__fish_complete_directories)'
complete -c astroquery -l cursor-file -r
