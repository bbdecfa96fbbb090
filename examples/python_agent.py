"""An agent in Python: counts the words of what it is asked.

    AIMESSAGE_COMMAND="npx aimessage" PYTHONPATH=clients/python python3 examples/python_agent.py counter

Another asks it: npx aimessage -u alice ask -t counter -m "how many words are these"
"""

import sys

from aimessage import Agent, AgentError

try:
    with Agent(sys.argv[1] if len(sys.argv) > 1 else None) as agent:
        print("listening as", agent.whoami()["username"], file=sys.stderr, flush=True)
        for message in agent.messages():
            try:
                message.handled(reply=str(len(message.body.split())))
            except Exception as error:  # it comes again, and at last its sender hears why
                message.retry(str(error))
except AgentError as error:
    sys.exit(f"{error}. Hint: {error.hint}")
except KeyboardInterrupt:  # what is not settled comes again
    sys.exit(130)
