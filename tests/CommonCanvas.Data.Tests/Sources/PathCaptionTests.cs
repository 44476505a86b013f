namespace CommonCanvas.Data.Tests;

public sealed class PathCaptionTests
{
    [Theory]
    [InlineData("animals/birds/owl_on_branch_01.png", "owl on branch, birds, animals")]
    [InlineData("computer/icons/flat-theme/action/connect_no.png", "connect no, action, flat theme, icons, computer")]
    [InlineData("IMG_20240115_RedFoxInSnow.JPG", "red fox in snow")]
    [InlineData("unsorted/lamp.png", "lamp")]
    [InlineData("train/train.jpg", null)]
    [InlineData("train_station/DSC0123.jpg", "train station")]
    [InlineData("birds/birds2.png", "birds")]
    [InlineData("a_cat.png", "a cat")]
    [InlineData("XMLPage.png", "xml page")]
    [InlineData("3f2504e04f8911d39a0c0305e82c3301.jpg", null)]
    [InlineData("food/3f2504e04f8911d39a0c0305e82c3301.jpg", "food")]
    [InlineData("wolf.2.final.png", "wolf final")]
    [InlineData("façade_été/école.png", "école, façade été")]
    [InlineData("动物/熊猫 2.png", "熊猫, 动物")]
    [InlineData("0001.png", null)]
    public void WordsAreTakenFromThePath(string path, string? caption) => Assert.Equal(caption, PathCaption.From(path));
}
