using System.Globalization;
using CommonCanvas.Trainer.Terminal;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Quickstart;

/// <summary>The quickstart's <c>report.html</c>: what came out, then the two runs' curves.</summary>
public sealed class QuickstartReport(QuickstartConfig config, QuickstartResult result, CheckedSamples samples)
{
    /// <summary>Writes it into the quickstart's folder.</summary>
    /// <param name="autoencoderRun">Run folder of the autoencoder.</param>
    /// <param name="unetRun">Run folder of the U-Net.</param>
    public void Write(string autoencoderRun, string unetRun)
    {
        var report = new HtmlReport("CommonCanvas quickstart");
        report.Paragraph($"A text-to-image model, trained from nothing on {config.Pictures.Count} drawn pictures of {config.Pictures.Size} pixels.");
        report.Section("Result").Table([],
        [
            ["Samples that show their prompt, combinations seen in training", Percent(result.Seen)],
            ["Samples that show their prompt, colour-and-shape pairs never seen", Percent(result.Unseen)],
            ["Fresh real drawings that the checker reads right", Percent(result.CheckerAccuracy)],
            ["Time for everything", Progress.Duration(result.Seconds)],
            ["Largest memory", string.Create(CultureInfo.InvariantCulture, $"{result.PeakMemory >> 20} MiB")],
        ]);
        report.Paragraph("A sample counts if shape, colour, place and background are all as the prompt says. The checker finds them by image analysis and knows nothing of the model.");
        Group(report, "Samples of seen combinations", unseen: false);
        Group(report, "Samples of colour-and-shape pairs never seen", unseen: true);
        report.Section("Autoencoder: training");
        RunReport.AddRun(report, autoencoderRun);
        report.Section("U-Net: training");
        RunReport.AddRun(report, unetRun);
        report.Save(Path.Combine(config.Output, RunReport.FileName));
    }

    void Group(HtmlReport report, string heading, bool unseen)
    {
        report.Section(heading).Picture(samples.Grid(unseen), string.Create(CultureInfo.InvariantCulture, $"{config.Check.Sampler}, {config.Check.Steps} steps, guidance {config.Check.Guidance}"));
        var misses = samples.Misses(unseen).Select(m => new[] { m.Prompt, m.Found }).ToArray();
        if (misses.Length > 0) report.Table(["asked for", "drawn, by the checker"], misses);
    }

    static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:F0} %");
}
