#!/bin/sh
# An agent in a shell: answers questions about this machine.
#   npx aimessage -u machine listen --exec ./examples/shell-agent.sh --reply
# Another asks it: npx aimessage -u alice ask -t machine -m uptime
read -r question
case $question in
  uptime) uptime ;;
  disk) df -h / ;;
  who) echo "you are $AIMESSAGE_FROM (verified: $AIMESSAGE_VERIFIED)" ;;
  *) echo "I know: uptime, disk, who" >&2; exit 65 ;; # a dead letter: asking again is of no use
esac
