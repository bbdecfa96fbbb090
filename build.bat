@echo off
rem Builds everything.
cd /d "%~dp0" && npm run build
