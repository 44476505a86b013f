using CommonCanvas.Trainer.Quickstart;

namespace CommonCanvas.Trainer.Tests.Quickstart;

public sealed class SceneTests
{
    [Fact]
    public void Training_scenes_never_hold_a_held_out_pair()
    {
        Assert.DoesNotContain(Scene.Draw(17, heldOut: false, 2000), s => s.HeldOut);
        Assert.All(Scene.Draw(17, heldOut: true, 100), s => Assert.True(s.HeldOut));
        Assert.Equal(2000, Scene.Draw(17, heldOut: false, 2000).Count());
    }

    [Fact]
    public void Every_attribute_of_a_held_out_scene_is_seen_in_training()
    {
        var trained = Scene.All.Where(s => !s.HeldOut).ToArray();
        Assert.Equal(Scene.Shapes.Count, trained.Select(s => s.Shape).Distinct().Count());
        Assert.Equal(Scene.Colours.Count, trained.Select(s => s.Colour).Distinct().Count());
    }

    [Fact]
    public void Captions_are_distinct() => Assert.Equal(Scene.All.Count, Scene.All.Select(s => s.Caption).Distinct().Count());

    [Fact]
    public void Drawings_depend_on_seed_and_index_alone()
    {
        var scene = Scene.All[7];
        Assert.Equal(SceneDrawer.Draw(scene, 32, 1, 4), SceneDrawer.Draw(scene, 32, 1, 4));
        Assert.NotEqual(SceneDrawer.Draw(scene, 32, 1, 4), SceneDrawer.Draw(scene, 32, 1, 5));
        Assert.NotEqual(SceneDrawer.Draw(scene, 32, 1, 4), SceneDrawer.Draw(scene, 32, 2, 4));
    }

    [Fact]
    public void Every_shape_has_about_the_same_area()
    {
        foreach (string shape in Scene.Shapes)
        {
            using var path = SceneDrawer.Outline(shape, 1);
            Assert.InRange(path.Bounds.Width, 1.5f, 2.6f);
        }
    }
}
