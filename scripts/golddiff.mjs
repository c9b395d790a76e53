#!/usr/bin/env node
// The golddiff command in a checkout: installs and builds first where that is needed.
process.argv.splice(2, 0, 'golddiff');
await import('./bootstrap.mjs');
