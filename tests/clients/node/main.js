// Runs one function of one client's file, and prints what it returned as JSON: node main.js FILE FUNCTION
const [file, name] = process.argv.slice(2);
const client = await import(`./${file}`);
const result = await client[name]();
process.stdout.write(JSON.stringify(result), () => {
  // The client is at its end then, but not with what it has kept open: what was cancelled has to be so by itself.
  if (name !== "cancelled") process.exit();
});
