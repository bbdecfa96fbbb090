@echo off
rem What AI Message does, in some seconds: demo/main.ts.
node "%~dp0demo\main.ts" %*
