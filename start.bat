@echo off
rem Starts the relay for production, as start.sh does: settings from the environment, a line of JSON for each event.
setlocal
if not defined LOG_FORMAT set "LOG_FORMAT=json"
pushd "%~dp0" && call node_modules\.bin\tsc -b packages/server && popd || exit /b 1
node "%~dp0packages\server\bin\aimessage-server.js" %*
