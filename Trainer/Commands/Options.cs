using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace CommonCanvas.Trainer.Commands;

/// <summary>Makes options whose values are checked while the command line is read.</summary>
public static class Options
{
    /// <summary>A whole number in a range.</summary>
    public static Option<int> Whole(string name, string description, int fallback, int least, int most) => new(name)
    {
        Description = description,
        DefaultValueFactory = _ => fallback,
        CustomParser = result => (int)Number(result, name, least, most, whole: true),
    };

    /// <summary>A number in a range.</summary>
    public static Option<double> Real(string name, string description, double fallback, double least, double most) => new(name)
    {
        Description = description,
        DefaultValueFactory = _ => fallback,
        CustomParser = result => Number(result, name, least, most, whole: false),
    };

    /// <summary>One word of several.</summary>
    public static Option<string> Word(string name, string description, string fallback, params string[] words)
    {
        var option = new Option<string>(name) { Description = description, HelpName = string.Join('|', words), DefaultValueFactory = _ => fallback };
        Restrict(option, words);
        return option;
    }

    /// <summary>One word of several, which <paramref name="description"/> lists; may be left out.</summary>
    public static Option<string?> WordOrNone(string name, string description, params IReadOnlyList<string> words)
    {
        var option = Text(name, description);
        option.HelpName = name.TrimStart('-');
        Restrict(option, words);
        return option;
    }

    /// <summary>A text that must be given.</summary>
    public static Option<string> Needed(string name, string description) => new(name) { Description = description, Required = true };

    /// <summary>A text that may be left out.</summary>
    public static Option<string?> Text(string name, string description) => new(name) { Description = description };

    /// <summary><c>--set key=value</c>, any number of times.</summary>
    public static Option<string[]> Set() => new("--set") { Description = "key=value over the configuration, dots between nested keys; may be given again and again.", HelpName = "key=value" };

    // System.CommandLine's AcceptOnlyFromAmong lists one word a line and does not say which option it is about.
    static void Restrict(Option option, IReadOnlyList<string> words)
    {
        option.CompletionSources.Add([.. words]);
        option.Validators.Add(result =>
        {
            foreach (var token in result.Tokens.Where(token => !words.Contains(token.Value)))
                result.AddError($"{option.Name} is '{token.Value}', but must be one of {string.Join(", ", words)}");
        });
    }

    static double Number(ArgumentResult result, string name, double least, double most, bool whole)
    {
        string text = result.Tokens[0].Value;
        var style = whole ? NumberStyles.AllowLeadingSign : NumberStyles.Float;
        if (double.TryParse(text, style, CultureInfo.InvariantCulture, out double value) && value >= least && value <= most) return value;
        result.AddError(string.Create(CultureInfo.InvariantCulture, $"{name} is '{text}', but must be a {(whole ? "whole " : "")}number from {least} to {most}"));
        return least;
    }
}
