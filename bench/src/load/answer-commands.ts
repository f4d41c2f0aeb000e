/** Makes this process answer the commands of a `WorkerClient`, and end with it. */
export function answerCommands<Command, Report>(handle: (command: Command) => Promise<Report>): void {
  process.on('message', (command: Command) => {
    handle(command).then(
      (report) => process.send?.({ report }),
      (error: unknown) => process.send?.({ error: String(error) }),
    );
  });
  process.once('disconnect', () => process.exit(0));
}
