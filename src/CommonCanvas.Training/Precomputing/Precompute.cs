using System.Collections.Concurrent;
using System.Diagnostics;
using CommonCanvas.Data;
using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// Pictures and captions to a cache of latents and text embeddings. Threads decode ahead, the device encodes batches, another
/// thread writes shards. Killed at any moment and started again it goes on behind the last complete shard, and ends
/// with the same bytes as if it had not been: a sample's numbers do not depend on the batch that it was encoded in.
/// </summary>
public sealed class Precompute
{
    readonly IOps ops;
    readonly AutoencoderKL autoencoder;
    readonly CaptionEncoder captions;
    readonly CacheFingerprint fingerprint;
    readonly PrecomputeSettings settings;

    /// <summary>Connects the encoders.</summary>
    /// <param name="ops">The device on which they lie.</param>
    /// <param name="autoencoder">Pictures to latents; F32.</param>
    /// <param name="textEncoder">Captions to embeddings.</param>
    /// <param name="tokenizer">Of the text encoder.</param>
    /// <param name="fingerprint">What the cache records: <see cref="ModelFingerprint.Of"/> the same folder.</param>
    /// <param name="settings">Where to and how.</param>
    public Precompute(IOps ops, AutoencoderKL autoencoder, ClipTextModel textEncoder, ITokenizer tokenizer, CacheFingerprint fingerprint, PrecomputeSettings settings)
    {
        if (settings.BatchSize < 1) throw new ArgumentException($"batch size {settings.BatchSize}; must be at least 1");
        if (settings.Resolution % autoencoder.Config.Downscale != 0)
            throw new ArgumentException($"resolution {settings.Resolution} is not a multiple of {autoencoder.Config.Downscale}, by which the autoencoder shrinks pictures");
        (this.ops, this.autoencoder, this.fingerprint, this.settings) = (ops, autoencoder, fingerprint, settings);
        captions = new CaptionEncoder(ops, textEncoder, tokenizer);
    }

    /// <summary>Makes the cache, or what is missing of it.</summary>
    /// <param name="source">The pictures.</param>
    /// <param name="loader">How they are cropped; of the settings' resolution.</param>
    /// <param name="report">Told after each batch.</param>
    /// <param name="stop">Ends the run early; complete shards stay, and the next run goes on behind them.</param>
    /// <returns>How far it came; complete unless stopped.</returns>
    /// <exception cref="InvalidDataException">The folder was begun with another model, other settings or other pictures.</exception>
    /// <exception cref="IOException">The disk is full; complete shards stay whole.</exception>
    public PrecomputeReport Run(IPictureSource source, PictureLoader loader, Action<PrecomputeReport>? report = null, CancellationToken stop = default)
    {
        if (loader.Size != settings.Resolution) throw new ArgumentException($"the loader crops to {loader.Size}, the settings say {settings.Resolution}");
        var options = new MdsWriterOptions { SizeLimit = settings.ShardBytes, Compression = settings.Compression, Metadata = fingerprint.ToJson() };
        using var writer = MdsWriter.Resume(settings.Folder, Columns(), options);
        // A complete cache has no position any more: all that is listed stays.
        using var skipped = SkipLog.Open(settings.Folder, writer.IsComplete ? long.MaxValue : writer.Cursor);
        WriteEmptyCaption();
        if (writer.IsComplete) return new PrecomputeReport(writer.SamplesWritten + skipped.Total, writer.SamplesWritten, skipped.Total, 0);
        RequireSamePictures(source, writer, skipped);

        using var end = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using var decoded = new BlockingCollection<Task<Decoded>>(2 * settings.BatchSize + Threads);
        using var rows = new BlockingCollection<(Dictionary<string, object> Row, long Next)>(4 * settings.BatchSize);
        long start = writer.Cursor, position = start, written = writer.SamplesWritten;
        var reading = Task.Factory.StartNew(() => Decode(source, loader, start, decoded, end.Token), TaskCreationOptions.LongRunning);
        var writing = Task.Factory.StartNew(() => Write(writer, rows, end), TaskCreationOptions.LongRunning);
        var watch = Stopwatch.StartNew();
        var current = new PrecomputeReport(position, written, skipped.Total, 0);
        var batch = new List<Decoded>(settings.BatchSize);
        try
        {
            foreach (var task in decoded.GetConsumingEnumerable(end.Token))
            {
                var picture = task.GetAwaiter().GetResult();
                position = picture.Index + 1;
                if (picture.Problem is { } why) skipped.Add(picture.Index, picture.Sample.Key, why);
                else batch.Add(picture);
                if (batch.Count == settings.BatchSize) Encode();
            }
            if (batch.Count > 0) Encode();
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // Stopped from outside, or by the writer's failure, which surfaces below.
        }
        finally
        {
            rows.CompleteAdding();
            // Also on an error of the device: the other threads must not go on.
            if (!decoded.IsCompleted) end.Cancel();
            WaitQuietly(reading);
            WaitQuietly(writing);
        }
        writing.GetAwaiter().GetResult();
        if (!end.IsCancellationRequested) reading.GetAwaiter().GetResult();
        if (end.IsCancellationRequested) return current;
        if (written == 0)
            throw new InvalidDataException($"{source.Location}: no picture can be used, {(skipped.Total > 0 ? skipped.Summary() : "there is none; PNG, JPEG, WebP and GIF are read")}");
        writer.Finish(position);
        // The last pictures may all have been skipped, after the last batch's report.
        return current with { Position = position, Skipped = skipped.Total };

        void Encode()
        {
            var encoded = EncodeBatch(batch);
            for (int b = 0; b < encoded.Count; b++) rows.Add((encoded[b], batch[b].Index + 1), end.Token);
            written += batch.Count;
            batch.Clear();
            current = new PrecomputeReport(position, written, skipped.Total, (position - start) / watch.Elapsed.TotalSeconds);
            report?.Invoke(current);
        }
    }

    // A position means something in the same pictures only: one more or less before it, and others are left out or come twice.
    void RequireSamePictures(IPictureSource source, MdsWriter writer, SkipLog skipped)
    {
        if (writer.ReadLast() is not { } last) return;
        long position = writer.Cursor - 1;
        // The last shard may end behind pictures that were skipped.
        var passed = skipped.Indices.ToHashSet();
        while (passed.Contains(position)) position--;
        string was = last.Text("key"), now = source.Read(position).FirstOrDefault()?.Key ?? "none";
        if (was != now)
            throw new InvalidDataException($"{settings.Folder}: was begun on other pictures than {source.Location} has now: the one at position {position} was '{was}' and is '{now}'; put back what was added or removed since, or write into another folder");
    }

    int Threads => settings.Threads > 0 ? settings.Threads : Environment.ProcessorCount;

    /// <summary>What a decoding thread hands on.</summary>
    sealed record Decoded(long Index, PictureSample Sample, float[] Pixels, LoadedPicture Size, PictureException? Problem);

    IEnumerable<KeyValuePair<string, string>> Columns() =>
    [
        new($"latents_{settings.Resolution}", "bytes"), new(LatentDataset.TextColumn, "bytes"), new("caption", "str"), new("licence", "str"),
        new("attribution", "str"), new("key", "str"), new("width", "int32"), new("height", "int32"),
    ];

    // Tasks stand in the queue in the order of the source, so however they end, what comes out is in that order. The queue's bound is the bound of memory.
    void Decode(IPictureSource source, PictureLoader loader, long start, BlockingCollection<Task<Decoded>> queue, CancellationToken stop)
    {
        using var free = new SemaphoreSlim(Threads);
        var running = new List<Task>();
        try
        {
            long index = start;
            foreach (var sample in source.Read(start))
            {
                free.Wait(stop);
                long at = index++;
                var task = Task.Run(() =>
                {
                    try { return DecodeOne(sample, at, loader); }
                    finally { free.Release(); }
                }, CancellationToken.None);
                running.RemoveAll(t => t.IsCompleted);
                running.Add(task);
                queue.Add(task, stop);
            }
        }
        finally
        {
            foreach (var task in running) WaitQuietly(task);
            queue.CompleteAdding();
        }
    }

    static Decoded DecodeOne(PictureSample sample, long index, PictureLoader loader)
    {
        var pixels = new float[loader.Size * loader.Size * 3];
        try { return new Decoded(index, sample, pixels, loader.Load(sample, pixels), null); }
        catch (PictureException why) { return new Decoded(index, sample, [], default, why); }
    }

    List<Dictionary<string, object>> EncodeBatch(List<Decoded> batch)
    {
        int side = settings.Resolution, size = side * side * 3, channels = autoencoder.Config.LatentChannels;
        var pixels = new float[batch.Count * size];
        for (int b = 0; b < batch.Count; b++) batch[b].Pixels.CopyTo(pixels.AsSpan(b * size));
        ops.BeginStep();
        var image = ops.UploadAs(pixels, autoencoder.Parameters.Type, batch.Count, side, side, 3);
        var moments = autoencoder.Encode(image);
        var values = ops.DownloadFloats(moments);
        ops.Arena.Release(image);
        ops.Arena.Release(moments);
        byte[][] texts = captions.Encode([.. batch.Select(p => p.Sample.Caption!)]);
        ops.EndStep();
        int each = values.Length / batch.Count;
        var result = new List<Dictionary<string, object>>(batch.Count);
        for (int b = 0; b < batch.Count; b++)
        {
            var (index, sample, _, picture, _) = batch[b];
            RandomKey? noise = settings.Moments ? null : new RandomKey(settings.Seed, RandomPurpose.Posterior, (ulong)index, 0);
            result.Add(new Dictionary<string, object>
            {
                [$"latents_{side}"] = LatentCodec.Encode(values.AsSpan(b * each, each), channels, fingerprint.Scale, noise),
                [LatentDataset.TextColumn] = texts[b],
                ["caption"] = sample.Caption!,
                ["licence"] = sample.Licence ?? "",
                ["attribution"] = sample.Attribution ?? "",
                ["key"] = sample.Key,
                ["width"] = picture.Width,
                ["height"] = picture.Height,
            });
        }
        return result;
    }

    static void Write(MdsWriter writer, BlockingCollection<(Dictionary<string, object> Row, long Next)> rows, CancellationTokenSource end)
    {
        try
        {
            foreach (var (row, next) in rows.GetConsumingEnumerable()) writer.Write(row, next);
        }
        catch
        {
            end.Cancel();
            throw;
        }
    }

    void WriteEmptyCaption()
    {
        string path = Path.Combine(settings.Folder, LatentDataset.EmptyCaptionFile);
        AtomicFile.Write(path, captions.Encode([""])[0]);
    }

    static void WaitQuietly(Task task)
    {
        try { task.Wait(); }
        catch (AggregateException) { /* Its owner looks at it afterwards. */ }
    }
}
