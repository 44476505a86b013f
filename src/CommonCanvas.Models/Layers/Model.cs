using CommonCanvas.Tensors;

namespace CommonCanvas.Models;

/// <summary>
/// A network with its weights: built from a configuration with weights of zero, then initialised or read from a diffusers
/// folder. Not for concurrent use.
/// </summary>
public abstract class Model(LayerContext context) : Layer(context), IDisposable
{
    /// <summary>Its weights.</summary>
    public ParameterSet Parameters { get; } = new();

    /// <summary>
    /// Whether Forward keeps what Backward needs. On in a model made for training; turned off, for a validation loss or
    /// samples, Forward needs as little memory as in a model made for inference.
    /// </summary>
    /// <exception cref="InvalidOperationException">Turned on in a model that was made for inference: it has no gradients.</exception>
    public bool Training
    {
        get => Context.Training;
        set
        {
            if (value && Parameters.Gradient.IsNone) throw new InvalidOperationException("this model was made for inference and has no gradients; make it with training: true");
            Context.Training = value;
        }
    }

    /// <summary>The configuration as its folder's config.json holds it.</summary>
    protected abstract string ConfigJson { get; }

    /// <summary>Base name of the weights in its folder.</summary>
    protected abstract string WeightsName { get; }

    /// <summary>The name that a parameter has in other layouts of the same model's files; null for none.</summary>
    protected virtual string? OtherName(string name) => null;

    /// <summary>Whether files of this model may hold this tensor besides the parameters.</summary>
    protected virtual bool Tolerates(string name) => false;

    /// <summary>Reads the weights of a model's folder or of a file.</summary>
    /// <exception cref="InvalidDataException">Lists every missing, additional and misshapen tensor.</exception>
    public void LoadWeights(string folderOrFile) => Parameters.Load(folderOrFile, OtherName, Tolerates);

    /// <summary>Reads the weights, and disposes of the model where they do not fit.</summary>
    private protected void LoadOrDispose(string folder)
    {
        try { LoadWeights(folder); }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Writes config.json and the weights as diffusers reads them; <paramref name="source"/> as in <see cref="ParameterSet.Save"/>.</summary>
    public void SaveFolder(string folder, DType type = DType.F32, Tensor source = default)
    {
        Directory.CreateDirectory(folder);
        AtomicFile.Write(Path.Combine(folder, "config.json"), ConfigJson);
        Parameters.Save(Path.Combine(folder, WeightsName + ".safetensors"), type, source);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Parameters.Dispose();
        GC.SuppressFinalize(this);
    }
}
