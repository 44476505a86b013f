using CommonCanvas.Trainer;
using CommonCanvas.Trainer.Terminal;

return App.Run(args, AppConsole.OfProcess());
